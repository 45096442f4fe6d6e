"""Middleware that answers polls with 304 early: most polls find nothing new."""

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
    """Answer a poll of the inbox with 304 if nothing has changed; pass all other requests on.

    Put it right after Django's ``SecurityMiddleware``. Later middleware does not see an answered poll, so the poll does
    not prolong the session. With ``SESSION_SAVE_EVERY_REQUEST`` every poll is passed on, since it has to prolong it.
    The answer reveals nothing: it confirms an ETag that the page already has, to the user whom the ETag names.

    Args:
        get_response: The next middleware or the view, sync or async.

    Returns:
        A middleware of the same kind as ``get_response``. It never raises by itself: on an error of the database it
        passes the poll on.
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
    """Recognise a request for the unread set from a page that has one already; the cheap tests come first."""
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
        return ""  # the site does not include our urls; no request has an empty path


def _unchanged(request: HttpRequest) -> HttpResponse | None:
    """Return 304 if the session belongs to the user in the ETag and the inbox has not changed, else ``None``."""
    key, pk = request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), etag.said_user_pk(request)
    if pk is None or not sessions.can_be_key(key):
        return None
    inbox = inbox_state.of_user(pk)
    queries = [query for query in (sessions.bound_query(key), users.bound_query(pk)) if query is not None]
    try:
        # The user comes from an untrusted ETag, so that session, user and inbox take one round trip. Rows of the inbox
        # are used only after the session has confirmed that user.
        fetched = sql_cache.fetch_many([*queries, *inbox])
        sign_in = sign_in_module.sign_in_with(key, fetched)
        if sign_in is None or sign_in.user_pk != pk:
            return None
        return etag.unchanged(request, pk, inbox.answer(fetched))
    except (Error, ValueError, OverflowError):
        return None  # the database is away, or no column holds such a key: the site answers as it always does
