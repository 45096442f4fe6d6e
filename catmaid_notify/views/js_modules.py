"""View of the browser client's modules, for sites with hashed static files or with static files on another host.

Storages with hashed names rewrite the ``import`` paths in scripts only if a site asks for it, and another host has to
allow modules by CORS headers. This view serves the modules from the page's origin, with their own names and folders.
The name of a module is its path below the folder of static files, such as ``core/notifier.js``.
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
    """Return the source of all modules by name, read once per process."""
    return {path.relative_to(DIRECTORY).as_posix(): path.read_bytes() for path in sorted(DIRECTORY.rglob("*.js"))}


@cache
def version() -> str:
    """Hash the sources of all modules; as a part of their URLs it keeps a page from mixing two releases."""
    digest = hashlib.sha256()
    for name, content in contents().items():
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
    return digest.hexdigest()[:12]


def imports(name: str, *, on_demand: bool = False) -> list[str]:
    """List the direct imports of a module: the static ones, or those by ``import()`` if ``on_demand``."""
    paths = (IMPORT_ON_DEMAND if on_demand else IMPORT).findall(contents()[name])
    return [posixpath.normpath(posixpath.join(posixpath.dirname(name), path.decode())) for path in paths]


@cache
def needed_by(*names: str) -> tuple[str, ...]:
    """List these modules and their static imports, direct and indirect, so that a page can preload all of them."""
    found = dict.fromkeys(names)
    for name in names:
        for imported in imports(name):
            found.update(dict.fromkeys(needed_by(imported)))
    return tuple(found)


@cache
def on_demand(*names: str) -> tuple[str, ...]:
    """List the modules that these load by ``import()``, with the static imports of those; none of `needed_by`."""
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
    """Serve one module. For another release serve the current source, uncached: open pages outlive an upgrade."""
    try:
        response = HttpResponse(contents()[name], content_type="text/javascript; charset=utf-8")
    except KeyError:
        raise Http404(f"The browser client has no module {name!r}.") from None
    if release == version():
        patch_cache_control(response, public=True, max_age=YEAR_SECONDS, immutable=True)
    else:
        patch_cache_control(response, no_cache=True)
    return response
