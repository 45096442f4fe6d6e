"""What pages of the site ask for besides their socket: the inbox, and the client's modules."""

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
    """Ask the inbox as nobody: it says that nobody is signed in."""
    site = visit.site
    path = _below(site, reverse("catmaid_notify:unread"))
    answer = get(site, path, timeout=visit.timeout)
    if answer.status == 401 and isinstance(answer.json, dict):
        yield ok(f"{path} answers")
    elif answer.status in (502, 503, 504):
        yield failed(f"{path} gives {answer.status}: the proxy does not reach the WSGI server.", "Does it run?")
    elif answer.status == 400:
        yield failed(
            f"{path} gives 400.", "Has the WSGI server the same ALLOWED_HOSTS, and gets it the Host of the browser?"
        )
    else:
        yield failed(
            f"{path} gives {answer.status} where 401 is right: pages can't ask for their messages.",
            'Is path("", include("catmaid_notify.urls")) in the urls.py that the WSGI server runs? Restart it.',
        )


def _below(site: Address, path: str) -> str:
    """Return a path of the site below the prefix of its public address, which this process may not know."""
    return path if path.startswith(site.prefix) else site.path(path)


def static(visit: Visit) -> Iterator[Finding]:
    """Load the client's modules: the one that pages name, and all that it imports, at once or later."""
    site = visit.site
    names = js_modules.needed_by(ENTRY) + js_modules.on_demand(ENTRY)
    try:
        urls = [url_of(name) for name in names]
    except (ValueError, NoReverseMatch) as error:
        yield failed(f"The browser client has no address: {error}", "python manage.py collectstatic")
        return
    if urlsplit(urls[0]).netloc:
        yield ok(f"{urls[0]} is on another host, which is not asked")
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
            "And in nginx: location /static/ { alias <STATIC_ROOT>/; }",
        )
    if answer.status == 403:
        return failed(
            f"{path} gives 403.", "May the user of the proxy read the files in STATIC_ROOT, and enter its folders?"
        )
    if answer.status != 200:
        return failed(f"{path} gives {answer.status}: pages load no client.", "Look into the log of the proxy.")
    if kind not in JAVASCRIPT:
        return failed(
            f"{path} has the type {kind!r}, and browsers run modules only as JavaScript.",
            "In nginx: include mime.types; in the http block. Elsewhere: .js is text/javascript.",
        )
    return None
