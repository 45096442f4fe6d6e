from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from catmaid_notify.models import Message

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

LIST = reverse("admin:catmaid_notify_message_changelist")

pytestmark = pytest.mark.django_db


def message(user: User, title: str = "a", text: str = "") -> Message:
    return Message.objects.create(user=user, title=title, text=text)


def change_path(pk: int) -> str:
    return reverse("admin:catmaid_notify_message_change", args=[pk])


def test_list__shows_messages(admin_client: Client, user: User) -> None:
    message(user, "Crop finished")
    page = admin_client.get(LIST).text
    assert "Crop finished" in page
    assert "ann" in page


def test_list__escapes(admin_client: Client, user: User) -> None:
    message(user, "<script>alert(1)</script>")
    assert "<script>alert(1)" not in admin_client.get(LIST).text


def test_list__number_of_statements_does_not_grow(
    admin_client: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    Message.objects.bulk_create(Message(user=user, title="a") for _ in range(60))
    with django_assert_max_num_queries(10):
        admin_client.get(LIST)


@pytest.mark.parametrize(("query", "count"), [("q=brain", 2), ("q=nothing", 0), ("read__exact=1", 1), ("", 3)])
def test_list__finds(admin_client: Client, user: User, query: str, count: int) -> None:
    message(user, "a brain")
    message(user, text="the brain's crop")
    Message.objects.create(user=user, title="read", read=True)
    assert admin_client.get(f"{LIST}?{query}").context["cl"].result_count == count


def test_detail__is_shown(admin_client: Client, user: User) -> None:
    stored = message(user, "A title", "A <text>")
    page = admin_client.get(change_path(stored.pk)).text
    assert "A title" in page
    assert "A &lt;text&gt;" in page


def test_detail__content_never_changes(admin_client: Client, user: User) -> None:
    stored = message(user)
    response = admin_client.post(change_path(stored.pk), {"title": "another", "read": "on"})
    assert response.status_code == 403
    stored.refresh_from_db()
    assert (stored.title, stored.read) == ("a", False)


def test_add__is_the_codes_business(admin_client: Client) -> None:
    assert admin_client.get(reverse("admin:catmaid_notify_message_add")).status_code == 403


def test_delete__works(admin_client: Client, user: User) -> None:
    stored = message(user)
    path = reverse("admin:catmaid_notify_message_delete", args=[stored.pk])
    assert admin_client.post(path, {"post": "yes"}).status_code == 302
    assert not Message.objects.exists()


def test_all__is_for_staff(signed_in: Client) -> None:
    assert signed_in.get(LIST).status_code == 302
