"""The inbox over HTTP: CATMAID's three paths with its JSON shapes, and an API of our own. For any WSGI server."""

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
"""Messages of the unread set that are sent; the rest is only counted."""
PAGE_SIZE_MAX: Final = 200
"""Messages in one page of the inbox."""
IDS_MAX: Final = 1000
"""Ids in one request."""
ID_MAX: Final = 2**63 - 1
"""The largest id that databases have."""

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """Answer 401 in JSON where nobody is signed in; a redirect to a login page helps no script."""

    @wraps(view)
    @sensitive_variables()  # messages are in no error mail
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _error(401, _("You are not signed in."))
        return view(request, *args, **kwargs)

    return checked


def _error(status: int, text: str) -> JsonResponse:
    response = JsonResponse({"error": text}, status=status)
    patch_cache_control(response, private=True, no_store=True)
    return response


# CATMAID's paths


@require_safe
@never_cache
@signed_in
def latest_unread_date(request: HttpRequest) -> HttpResponse:
    """``{"latest_unread_date": seconds since 1970 | null}``: what CATMAID's client asks every minute."""
    times = Message.objects.for_user(request.user.pk).unread().newest_first().values_list("time", flat=True)[:1]
    return JsonResponse({"latest_unread_date": int(times[0].timestamp()) if times else None})


@require_safe
@never_cache
@signed_in
def message_list(request: HttpRequest) -> HttpResponse:
    """Unread messages as CATMAID lists them: an object with numeric keys, the last entry counting notifications.

    CATMAID's client puts texts into the page as HTML, so they are escaped here, and titles as text, so they are not.
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
    """Mark one message as read: a redirect to its action where it has one, else ``{"success": true}``.

    CATMAID's client follows this as a link, so GET works too, but only from pages of the site itself.
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


# Our own


@require_safe
@signed_in
def unread(request: HttpRequest) -> HttpResponse:
    """The unread set, newest first, and the running tasks; 304 while neither changes."""
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
    """One page of the inbox, newest first; ``?before=<id>`` gives the page behind that message.

    ``read=0`` leaves out what was read, ``read=1`` what was not.
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
    """Mark messages as read: ``{"ids": [...]}`` or ``{"all": true}``. Ids of other users' messages change nothing."""
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
    """Return a number from 1 to ``maximum`` written in ASCII digits, else ``None``."""
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
