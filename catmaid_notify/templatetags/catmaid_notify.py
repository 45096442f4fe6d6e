"""Template tags that put the browser client, or its user interface alone, into a page."""

from __future__ import annotations

import posixpath
from typing import Any, Final
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.middleware.csrf import get_token
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse

from catmaid_notify.conf import conf
from catmaid_notify.protocol import user_key
from catmaid_notify.views import js_modules

register = template.Library()

ENTRY: Final = "auto.js"
"""The module that the page loads; it imports the others by relative paths."""


@register.inclusion_tag("catmaid_notify/client.html", takes_context=True)
def catmaid_notify(context: Context, *, ui: bool = True) -> dict[str, Any]:
    """Render the browser client for a signed-in user; nothing for others, or without a request (as in ``500.html``).

    Args:
        context: The template's context, with ``request``; Django passes it.
        ui: ``True`` renders the bell at the place of the tag, and toasts; ``False`` the script only, for a page with a
            user interface of its own.

    Returns:
        The context of ``catmaid_notify/client.html``.
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {"user": ""}
    token = get_token(request)  # sets the CSRF cookie, too: the page may have no form
    return {
        "user": user_key(user.pk),
        "ui": ui,
        "script_url": url_of(ENTRY),
        "preload_urls": [
            url_of(name) for name in js_modules.needed_by(ENTRY, *(["ui/inbox.js"] if ui else [])) if name != ENTRY
        ],
        "unread_url": reverse("catmaid_notify:unread"),
        "messages_url": reverse("catmaid_notify:messages"),
        "read_url": reverse("catmaid_notify:read"),
        "topics_url": reverse("catmaid_notify:topics"),
        "updates_path": conf.UPDATES_PATH or f"{get_script_prefix()}channels/updates/",
        "poll_ms": round(conf.POLL_SECONDS * 1000),
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        # Empty if scripts can read the cookie, which is fresher than the page: a login in another tab changes it.
        "csrf_token": token if settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY else "",
        "nonce": str(getattr(request, "csp_nonce", None) or context.get("csp_nonce") or ""),
    }


@register.inclusion_tag("catmaid_notify/inbox.html")
def catmaid_notify_inbox() -> dict[str, Any]:
    """Render the bell, its panel and the toasts only, for pages whose own script calls ``attachInbox``.

    Returns:
        The context of ``catmaid_notify/inbox.html``.
    """
    return {"poll_seconds": max(1, round(conf.POLL_SECONDS))}


def url_of(name: str) -> str:
    """Return the URL of a module: the static file if its imports work there, else `views.js_modules`."""
    url = static(f"catmaid_notify/{name}")
    parts = urlsplit(url)
    is_renamed = posixpath.basename(parts.path) != posixpath.basename(name)
    if parts.netloc or (is_renamed and not getattr(staticfiles_storage, "support_js_module_import_aggregation", False)):
        try:
            return reverse("catmaid_notify:module", args=[js_modules.version(), name])
        except NoReverseMatch:
            pass  # the site does not include our urls; its static files may have copies with plain names
    return url
