"""Steps for the HTTP requests of pages: the inbox, and the JavaScript modules of the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, reverse

from catmaid_notify.doctor.address import Address
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, failed, ok
from catmaid_notify.doctor.http import Answer, get
from catmaid_notify.templatetags.catmaid_notify import ENTRY, url_of
from catmaid_notify.views import js_modules

JAVASCRIPT: Final = ("text/javascript", "application/javascript", "application/x-javascript")


def inbox(visit: Visit) -> Iterator[Finding]:
    """Request the inbox without a session, which the right view answers with 401."""
    site = visit.site
    path = _below(site, reverse("catmaid_notify:unread"))
    answer = get(site, path, timeout=visit.timeout)
    if answer.status == 401 and isinstance(answer.json, dict):
        yield ok(f"{path} answers")
    elif answer.status in (502, 503, 504):
        yield failed(
            f"{path} gives {answer.status}: the proxy does not reach the WSGI server.", "Start the WSGI server."
        )
    elif answer.status == 400:
        yield failed(
            f"{path} gives 400.",
            "Check that the WSGI server has the same ALLOWED_HOSTS, and gets the browser's Host header from the proxy.",
        )
    else:
        yield failed(
            f"{path} gives {answer.status} where 401 is right: pages can't ask for their messages.",
            'Add path("", include("catmaid_notify.urls")) to the urls.py of the WSGI server, and restart the server.',
        )


def _below(site: Address, path: str) -> str:
    """Return ``path`` with the prefix of the public address, which this process's settings may lack."""
    return path if path.startswith(site.prefix) else site.path(path)


def static(visit: Visit) -> Iterator[Finding]:
    """Fetch the entry module of the client, and all modules that it imports, at once or on demand."""
    site = visit.site
    names = js_modules.needed_by(ENTRY) + js_modules.on_demand(ENTRY)
    try:
        urls = [url_of(name) for name in names]
    except (ValueError, NoReverseMatch) as error:
        yield failed(f"The browser client has no address: {error}", "python manage.py collectstatic")
        return
    if urlsplit(urls[0]).netloc:
        yield ok(f"{urls[0]} is on another host, which is not checked")
        return
    for path in (_below(site, url) for url in urls):
        problem = _problem(path, get(site, path, timeout=visit.timeout))
        if problem:
            yield problem
            return
    yield ok(f"{_below(site, urls[0])} and {len(urls) - 1} other modules are served as JavaScript")


def _problem(path: str, answer: Answer) -> Finding | None:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if answer.status == 404:
        return failed(
            f"{path} gives 404: pages load no client.",
            "python manage.py collectstatic",
            "In nginx: location /static/ { alias <STATIC_ROOT>/; }",
        )
    if answer.status == 403:
        return failed(
            f"{path} gives 403.", "Let the account of the proxy read the files in STATIC_ROOT and enter its folders."
        )
    if answer.status != 200:
        return failed(f"{path} gives {answer.status}: pages load no client.", "See the log of the proxy.")
    if kind not in JAVASCRIPT:
        return failed(
            f"{path} has the type {kind!r}, but browsers run modules only with a JavaScript type.",
            "In nginx: include mime.types; in the http block. Elsewhere: .js is text/javascript.",
        )
    return None
