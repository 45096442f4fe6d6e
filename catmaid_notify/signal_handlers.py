"""Signal handlers that tell all ASGI processes of logins, logouts and changed users, so that sockets end with them."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import router
from django.db.models.signals import post_delete, post_save

from catmaid_notify import push
from catmaid_notify.auth import sessions
from catmaid_notify.protocol import ALL_SESSIONS, EVERYONE, LAYER_TYPE, LayerMessage, user_group

CHECK: Final[LayerMessage] = {"type": LAYER_TYPE, "check": True}
HARMLESS_FIELDS: Final = frozenset({"last_login"})
"""Fields that Django saves at each login; a change of them ends no session."""


def connect() -> None:
    """Connect the handlers to logins, logouts, and the user model with all models derived from it."""
    user_logged_in.connect(_logged_in, dispatch_uid="catmaid_notify")
    user_logged_out.connect(_logged_out, dispatch_uid="catmaid_notify")
    user_model = get_user_model()
    for model in apps.get_models():
        # One model at a time: with a post_delete receiver for all models, Django would load every row that it deletes.
        if issubclass(model, user_model):
            post_save.connect(_saved, sender=model, dispatch_uid="catmaid_notify")
            post_delete.connect(_deleted, sender=model, dispatch_uid="catmaid_notify")


def _logged_in(request: Any, **_others: Any) -> None:
    """Tell all processes that a login has replaced the browser's former session.

    The former session is deleted, so nobody knows its user any more, and the message goes to `EVERYONE`.
    """
    had = getattr(request, "COOKIES", {}).get(settings.SESSION_COOKIE_NAME)
    if had and had != getattr(getattr(request, "session", None), "session_key", None):
        order: LayerMessage = {"type": LAYER_TYPE, "replaced": sessions.digest(had)}
        push.call_after_commit(router.db_for_write(get_user_model()), push.push, EVERYONE, order)


def _logged_out(request: Any, user: Any, **_others: Any) -> None:
    """Close the sockets of the session; all of the user's with signed cookies, whose sessions have no lasting key."""
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key and getattr(user, "pk", None) is not None:
        ended = ALL_SESSIONS if sessions.are_kept_by_clients() else sessions.digest(key)
        order: LayerMessage = {"type": LAYER_TYPE, "ended": ended}
        push.call_after_commit(router.db_for_write(get_user_model()), push.push, user_group(user.pk), order)


def _saved(
    instance: Any, *, created: bool, raw: bool, using: str, update_fields: frozenset[str] | None, **_others: Any
) -> None:
    """Let all processes check the user's sockets: password or ``is_active`` may have changed."""
    harmless = update_fields is not None and update_fields <= HARMLESS_FIELDS
    if not (created or raw or harmless):
        push.call_after_commit(using, push.push, user_group(instance.pk), CHECK)


def _deleted(instance: Any, *, using: str, **_others: Any) -> None:
    push.call_after_commit(using, push.push, user_group(instance.pk), CHECK)
