"""HTTP views of the inbox: CATMAID's three paths with its JSON shapes, and the API of the browser client."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.cache import patch_cache_control
from django.utils.html import escape
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catmaid_notify import api
from catmaid_notify.conf import conf
from catmaid_notify.inbox import state as inbox
from catmaid_notify.models import Message, TaskProgress
from catmaid_notify.protocol import user_key
from catmaid_notify.views import etag

UNREAD_SHOWN: Final = 100
"""Unread messages that one response holds; further ones are only counted."""
PAGE_SIZE_MAX: Final = 200
"""Messages in one page of the inbox at most, whatever ``limit`` asks for."""
IDS_MAX: Final = 1000
"""Ids in one request that marks messages as read."""
ID_MAX: Final = 2**63 - 1
"""The largest id of a BigAutoField; databases raise for larger integers."""

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """Answer 401 in JSON if nobody is signed in: a script can't use a redirect to a login page."""

    @wraps(view)
    @sensitive_variables()  # keeps messages out of error mails
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _error(401, _("You are not signed in."))
        return view(request, *args, **kwargs)

    return checked


def _error(status: int, text: str) -> JsonResponse:
    response = JsonResponse({"error": text}, status=status)
    patch_cache_control(response, private=True, no_store=True)
    return response


# Paths of CATMAID


@require_safe
@never_cache
@signed_in
def latest_unread_date(request: HttpRequest) -> HttpResponse:
    """Return the time of the newest unread message; CATMAID's client polls it every minute.

    The answer is ``{"latest_unread_date": seconds since 1970 | null}``.
    """
    times = Message.objects.for_user(request.user.pk).unread().newest_first().values_list("time", flat=True)[:1]
    return JsonResponse({"latest_unread_date": int(times[0].timestamp()) if times else None})


@require_safe
@never_cache
@signed_in
def message_list(request: HttpRequest) -> HttpResponse:
    """List the unread messages as CATMAID does: an object with numeric keys, whose last entry counts notifications.

    CATMAID's client inserts texts as HTML and titles as plain text. So texts are escaped here, and titles are not.
    """
    newest = Message.objects.for_user(request.user.pk).unread().newest_first()[: inbox.COUNTED]
    entries: list[dict[str, Any]] = [
        {
            "id": message.pk,
            "title": message.title,
            "action": message.action,
            "text": escape(message.text),
            "time": str(message.time),
        }
        for message in newest
    ]
    entries.append({"id": -1, "notification_count": _notification_count(request)})
    return JsonResponse({str(index): entry for index, entry in enumerate(entries)})


@require_http_methods(["GET", "POST"])
@never_cache
@signed_in
def mark_message_read(request: HttpRequest, message_id: int) -> HttpResponse:
    """Mark one message as read; redirect to its action if it has one, else answer ``{"success": true}``.

    CATMAID's client opens this address as a link, so GET is allowed, but only from pages of the site itself: other
    pages could mark messages as read by a link or an image.
    """
    if request.method == "GET" and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return _error(403, _("Messages can be marked as read from pages of this site only."))
    message = None
    if message_id <= ID_MAX:
        message = Message.objects.for_user(request.user.pk).filter(pk=message_id).first()
    if message is None:
        return _error(404, _("There is no such message."))
    api.mark_read(request.user, [message.pk])
    if message.action:
        return HttpResponseRedirect(message.action)
    return JsonResponse({"success": True})


def _notification_count(request: HttpRequest) -> int:
    return int(import_string(conf.NOTIFICATION_COUNT)(request)) if conf.NOTIFICATION_COUNT else 0


# API of the browser client


@require_safe
@signed_in
def unread(request: HttpRequest) -> HttpResponse:
    """Return the unread messages, newest first, and the running tasks; 304 while neither has changed."""
    pk = request.user.pk
    found = inbox.of_user(pk).answer()

    def answer() -> HttpResponse:
        shown = Message.objects.for_user(pk).unread().filter(pk__in=found.ids[:UNREAD_SHOWN]).newest_first()
        tasks = TaskProgress.objects.shown_to(pk) if found.tasks else ()
        return JsonResponse(
            {
                "user": user_key(pk),
                "count": min(len(found.ids), inbox.COUNTED),
                "more": len(found.ids) > inbox.COUNTED,
                "messages": [message.as_dict() for message in shown],
                "tasks": [task.as_dict() for task in tasks],
            }
        )

    return etag.answer(request, pk, found, answer)


@require_safe
@never_cache
@signed_in
def messages(request: HttpRequest) -> HttpResponse:
    """Return one page of the inbox, newest first.

    ``?before=<id>`` gives the page after that message, ``limit=<n>`` sets the size of the page, ``read=0`` selects
    unread messages, ``read=1`` read ones.
    """
    before = _integer(request.GET.get("before"), ID_MAX)
    limit = _integer(request.GET.get("limit") or str(min(conf.PAGE_SIZE, PAGE_SIZE_MAX)), PAGE_SIZE_MAX)
    if limit is None or (before is None and request.GET.get("before")):
        return _error(400, _("before must be the id of a message, and limit a number from 1 to %d.") % PAGE_SIZE_MAX)
    read = request.GET.get("read") or None
    if read not in (None, "0", "1"):
        return _error(400, _("read must be 0 or 1."))
    found = Message.objects.for_user(request.user.pk).order_by("-id")
    if read is not None:
        found = found.filter(read=read == "1")
    if before is not None:
        found = found.filter(pk__lt=before)
    page = list(found[: limit + 1])
    return JsonResponse(
        {
            "user": user_key(request.user.pk),
            "messages": [message.as_dict() for message in page[:limit]],
            "next": page[limit - 1].pk if len(page) > limit else None,
        }
    )


@require_POST
@never_cache
@signed_in
def mark_read(request: HttpRequest) -> HttpResponse:
    """Mark messages as read. The body is ``{"ids": [...]}`` or ``{"all": true}``; ids of other users change nothing."""
    try:
        wanted = json.loads(request.body)
    except (ValueError, RecursionError):
        wanted = None
    ids = wanted.get("ids") if isinstance(wanted, dict) else None
    everything = isinstance(wanted, dict) and wanted.get("all") is True
    if everything == (ids is not None) or not (everything or _are_ids(ids)):
        return _error(400, _('The body must be {"ids": [at most %d ids]} or {"all": true}.') % IDS_MAX)
    changed = api.mark_read(request.user, None if everything else ids)
    left = Message.objects.for_user(request.user.pk).unread()[: inbox.COUNTED].count()
    return JsonResponse({"user": user_key(request.user.pk), "read": "all" if everything else changed, "count": left})


def _integer(text: str | None, maximum: int) -> int | None:
    """Parse a number from 1 to ``maximum`` in ASCII digits; ``None`` if it is not one."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    number = int(text)
    return number if 1 <= number <= maximum else None


def _are_ids(ids: Any) -> bool:
    return (
        isinstance(ids, list)
        and len(ids) <= IDS_MAX
        and all(isinstance(pk, int) and not isinstance(pk, bool) and 0 < pk <= ID_MAX for pk in ids)
    )
