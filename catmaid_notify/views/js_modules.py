"""The browser client's modules at a URL of our own, for static files that are renamed or live on another host.

Storages with hashed names don't rewrite the ``import`` paths in scripts unless a site asks them to, and other hosts
must allow modules to be loaded by CORS headers. Here the modules keep their names and folders, on the page's origin.
A module's name is its path below the folder of static files, such as ``core/notifier.js``.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from functools import cache
from pathlib import Path
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

DIRECTORY: Final = Path(__file__).parent.parent / "static" / "catmaid_notify"
YEAR_SECONDS: Final = 365 * 24 * 3600
IMPORT: Final = re.compile(rb"""^(?:import|export)\b[^;]*?\bfrom "(\.\.?/[\w./]+\.js)";$""", re.MULTILINE)
IMPORT_ON_DEMAND: Final = re.compile(rb"""\bimport\("(\.\.?/[\w./]+\.js)"\)""")


@cache
def contents() -> dict[str, bytes]:
    """Return the modules by name, read once a process."""
    return {path.relative_to(DIRECTORY).as_posix(): path.read_bytes() for path in sorted(DIRECTORY.rglob("*.js"))}


@cache
def version() -> str:
    """Return a name for the state of all modules together: a page never mixes two releases."""
    digest = hashlib.sha256()
    for name, content in contents().items():
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
    return digest.hexdigest()[:12]


def imports(name: str, *, on_demand: bool = False) -> list[str]:
    """Return the modules that a module imports by itself: statically, or ``on_demand`` by ``import()``."""
    paths = (IMPORT_ON_DEMAND if on_demand else IMPORT).findall(contents()[name])
    return [posixpath.normpath(posixpath.join(posixpath.dirname(name), path.decode())) for path in paths]


@cache
def needed_by(*names: str) -> tuple[str, ...]:
    """Return these modules and all that they import, so that a page can ask for all of them at once.

    Without what they load `on_demand`.
    """
    found = dict.fromkeys(names)
    for name in names:
        for imported in imports(name):
            found.update(dict.fromkeys(needed_by(imported)))
    return tuple(found)


@cache
def on_demand(*names: str) -> tuple[str, ...]:
    """Return what these modules load only when somebody needs it, and all that this needs besides."""
    at_once = needed_by(*names)
    found: dict[str, None] = {}
    waiting = list(at_once)
    while waiting:
        for name in imports(waiting.pop(0), on_demand=True):
            new = [one for one in needed_by(name) if one not in at_once and one not in found]
            found.update(dict.fromkeys(new))
            waiting.extend(new)
    return tuple(found)


@require_safe
@login_not_required
def module(request: HttpRequest, release: str, name: str) -> HttpResponse:
    """Serve one module. A release that isn't ours gets what we have, uncached: a page outlives an upgrade."""
    try:
        response = HttpResponse(contents()[name], content_type="text/javascript; charset=utf-8")
    except KeyError:
        raise Http404(f"There is no module {name!r}.") from None
    if release == version():
        patch_cache_control(response, public=True, max_age=YEAR_SECONDS, immutable=True)
    else:
        patch_cache_control(response, no_cache=True)
    return response
