"""The template tag that puts the browser client into a page."""

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
"""The module that the page loads; it loads the others by relative paths."""


@register.inclusion_tag("catmaid_notify/client.html", takes_context=True)
def catmaid_notify(context: Context, *, ui: bool = True) -> dict[str, Any]:
    """Print the client for whoever is signed in, and nothing for others or without a request (as in a ``500.html``).

    Args:
        ui: With the bell where the tag stands, and toasts; ``False``: the script only, for a page with its own.
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {"user": ""}
    token = get_token(request)  # also makes sure that the cookie is set: this page may have no form
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
        # The cookie, where scripts can read it, is fresher than the page: it follows a login in another tab.
        "csrf_token": token if settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY else "",
        "nonce": str(getattr(request, "csp_nonce", None) or context.get("csp_nonce") or ""),
    }


@register.inclusion_tag("catmaid_notify/inbox.html")
def catmaid_notify_inbox() -> dict[str, Any]:
    """Print the bell, its panel and the toasts alone, for pages whose own script calls ``attachInbox``."""
    return {"poll_seconds": max(1, round(conf.POLL_SECONDS))}


def url_of(name: str) -> str:
    """Return where the page loads a module from: the static files where that works, else `views.js_modules`."""
    url = static(f"catmaid_notify/{name}")
    parts = urlsplit(url)
    is_renamed = posixpath.basename(parts.path) != posixpath.basename(name)
    if parts.netloc or (is_renamed and not getattr(staticfiles_storage, "support_js_module_import_aggregation", False)):
        try:
            return reverse("catmaid_notify:module", args=[js_modules.version(), name])
        except NoReverseMatch:
            pass  # a site with URLs of its own making: the copies with plain names may be there, too
    return url
