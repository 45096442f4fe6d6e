"""A short way for the polls of pages: most of them are told that nothing has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.decorators import sync_and_async_middleware

from catmaid_notify.auth import sessions, users
from catmaid_notify.auth import sign_in as sign_in_module
from catmaid_notify.inbox import state as inbox_state
from catmaid_notify.utils import sql_cache
from catmaid_notify.views import etag

__all__ = ["poll"]


@sync_and_async_middleware
def poll(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Answer a poll with 304 right here where the session's user has nothing new; leave all else to the site.

    Put it behind Django's ``SecurityMiddleware``. What stands behind it doesn't see such a poll, so no session is
    prolonged by one; where ``SESSION_SAVE_EVERY_REQUEST`` wants that, all polls go the long way. And all that is said
    here is that the state is still the one whose ETag the page holds; the ETag names the user.
    """
    if iscoroutinefunction(get_response):
        ask = sync_to_async(_unchanged)

        async def middleware(request: HttpRequest) -> HttpResponse:
            return (_is_poll(request) and await ask(request)) or await get_response(request)

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponse:
        return (_is_poll(request) and _unchanged(request)) or get_response(request)

    return sync_middleware


def _is_poll(request: HttpRequest) -> bool:
    """Return whether a page asks for the unread set and has one already; most requests of a site are none."""
    return (
        request.method == "GET"
        and "HTTP_IF_NONE_MATCH" in request.META
        and request.path == _unread_path(get_script_prefix(), settings.ROOT_URLCONF)
        and not settings.SESSION_SAVE_EVERY_REQUEST
    )


@lru_cache
def _unread_path(_prefix: str, _urlconf: str) -> str:
    try:
        return reverse("catmaid_notify:unread")
    except NoReverseMatch:
        return ""  # a site with URLs of its own making


def _unchanged(request: HttpRequest) -> HttpResponse | None:
    key, pk = request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), etag.said_user_pk(request)
    if pk is None or not sessions.can_be_key(key):
        return None
    inbox = inbox_state.of_user(pk)
    queries = [query for query in (sessions.bound_query(key), users.bound_query(pk)) if query is not None]
    try:
        # Whether the session is that user's is not known yet: whatever is found is used only if it is.
        with sql_cache.fetch_many([*queries, *inbox]):
            sign_in = sign_in_module.sign_in_with(key)
            if sign_in is None or sign_in.user_pk != pk:
                return None
            return etag.unchanged(request, pk, inbox.answer())
    except (Error, ValueError, OverflowError):
        return None  # a database that is away, or a key that none can hold: the long way says it as the site does
