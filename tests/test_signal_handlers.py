"""What the ASGI servers are told when a user logs out or is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.auth.models import User as DjangosUser
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.test.utils import isolate_apps

from catmaid_notify import push, signal_handlers
from catmaid_notify.auth import sessions
from catmaid_notify.protocol import EVERYONE, user_group

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client, RequestFactory
    from pytest_django import Settings

    from tests.support.drivers import Pushes

pytestmark = pytest.mark.django_db(transaction=True)

CHECK = {"type": "user.message", "check": True}


def told(pushes: Pushes, user_pk: int) -> list[dict[str, object]]:
    """Return the orders for that user; the only pushes there may be."""
    assert set(pushes.groups) <= {user_group(user_pk)}
    return [{name: value for name, value in order.items() if name != "group"} for _group, order in pushes]


def test_logout__names_the_session_by_a_hash(user: User, signed_in: Client, pushes: Pushes) -> None:
    key = signed_in.session.session_key
    assert key is not None
    signed_in.logout()
    assert told(pushes, user.pk) == [{"type": "user.message", "ended": sessions.digest(key)}]
    assert key not in repr(pushes)


@pytest.mark.parametrize("nobody", [None, AnonymousUser()], ids=["none", "anonymous"])
def test_logout__of_nobody(signed_in: Client, pushes: Pushes, nobody: AnonymousUser | None) -> None:
    request = HttpRequest()
    request.session = signed_in.session
    user_logged_out.send(sender=None, request=request, user=nobody)
    assert pushes == []


@pytest.mark.parametrize("request_", [None, HttpRequest()], ids=["none", "without a session"])
def test_logout__without_a_session(user: User, pushes: Pushes, request_: HttpRequest | None) -> None:
    user_logged_out.send(sender=type(user), request=request_, user=user)
    assert pushes == []


def test_logout__where_clients_keep_the_session(user: User, client: Client, pushes: Pushes, settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    client.force_login(user)
    client.logout()
    assert told(pushes, user.pk) == [{"type": "user.message", "ended": "*"}]


def test_login__over_another_session_names_the_one_that_is_gone(
    user: User, other: User, signed_in: Client, pushes: Pushes, rf: RequestFactory
) -> None:
    key = str(signed_in.session.session_key)
    request = rf.get("/")
    request.COOKIES["sessionid"] = key
    request.session = signed_in.session
    login(request, other)
    assert pushes == [(EVERYONE, {"type": "user.message", "replaced": sessions.digest(key), "group": EVERYONE})]


def test_login__that_keeps_the_session(user: User, signed_in: Client, pushes: Pushes, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = signed_in.session
    request.COOKIES["sessionid"] = str(signed_in.session.session_key)
    login(request, user)
    assert pushes == []


def test_saved__user_is_checked(user: User, pushes: Pushes) -> None:
    user.set_password("another one")
    user.save()
    assert told(pushes, user.pk) == [CHECK]


def test_saved__new_user_has_no_sockets(pushes: Pushes) -> None:
    get_user_model().objects.create_user("carl", password="a")
    assert pushes == []


def test_saved__login_is_no_change(user: User, client: Client, pushes: Pushes) -> None:
    client.force_login(user)
    assert pushes == []


def test_saved__other_models_are_none_of_our_business(user: User, pushes: Pushes) -> None:
    Group.objects.create(name="a").delete()
    assert pushes == []


def test_saved__told_after_the_commit(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        user.is_active = False
        user.save()
        assert pushes == []
    assert told(pushes, user.pk) == [CHECK]


def test_saved__not_told_after_a_rollback(user: User, pushes: Pushes) -> None:
    with transaction.atomic():
        user.save()
        transaction.set_rollback(True)
    assert pushes == []


def test_deleted__user_is_checked(user: User, pushes: Pushes) -> None:
    pk = user.pk
    user.delete()
    assert told(pushes, pk) == [CHECK]


def test_saved__derived_models_count(user: User, pushes: Pushes, monkeypatch: pytest.MonkeyPatch) -> None:
    with isolate_apps("tests") as site_apps:

        class Person(DjangosUser):
            class Meta:
                proxy = True
                app_label = "tests"

        monkeypatch.setattr(signal_handlers, "apps", site_apps)
        signal_handlers.connect()
        Person.objects.get(pk=user.pk).save()
    for signal in (post_save, post_delete):
        signal.disconnect(sender=Person, dispatch_uid="catmaid_notify")
    assert told(pushes, user.pk) == [CHECK]


def test_connect__deletions_of_other_models_stay_fast() -> None:
    """Django reads each row before it deletes it, as soon as somebody listens."""
    assert not post_delete.has_listeners(Group)
    assert not post_save.has_listeners(Group)


def test_told__layer_that_fails_is_none_of_the_hosts_business(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("no layer")

    monkeypatch.setattr(push, "transport", fails)
    user.save()
    user.delete()
