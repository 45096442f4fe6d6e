"""Detection of a site's values from its settings and the running Python."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from catmaid_notify.conf import conf

LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")


def detected() -> dict[str, Any]:
    """Return the fields of `Site` that can be detected, by name. All others are left out."""
    project = str(settings.ROOT_URLCONF).partition(".")[0]
    module = os.environ.get("DJANGO_SETTINGS_MODULE") or f"{project}.settings"
    name = project.lower().replace("-", "_")
    return {
        "name": name,
        "hosts": _hosts(),
        "prefix": (settings.FORCE_SCRIPT_NAME or "").rstrip("/"),
        "directory": str(_folder_of(module)),
        "python": sys.executable,
        "settings": module,
        "static_url": _static_url(),
        "static_root": _path(getattr(settings, "STATIC_ROOT", None)),
        "asgi": _target(getattr(settings, "ASGI_APPLICATION", None), f"{project}.asgi.application"),
        "wsgi": _target(settings.WSGI_APPLICATION, f"{project}.wsgi.application"),
        "celery": f"{project}.celery" if _exists(f"{project}.celery") else "",
        "run": f"/run/{name}",
        "state": f"/var/lib/{name}",
        "ping_seconds": conf.PING_SECONDS,
    }


def _hosts() -> tuple[str, ...]:
    """Return the names of ALLOWED_HOSTS. A leading dot means the same to nginx as to Django."""
    named = [host for host in settings.ALLOWED_HOSTS if host != "*"]
    return tuple([host for host in named if host not in LOCAL] or named)


def _folder_of(module: str) -> Path:
    """Return the folder from which the settings module is imported."""
    top = module.partition(".")[0]
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        return Path.cwd()
    file = Path(spec.origin)
    return file.parent.parent if spec.submodule_search_locations else file.parent


def _static_url() -> str:
    """Return the path of the static files; empty if another host serves them."""
    url = str(settings.STATIC_URL or "")
    return "" if urlsplit(url).netloc else url


def _path(path: Path | str | None) -> str:
    return str(path or "").rstrip("/")


def _target(dotted: str | None, default: str) -> str:
    """Return ``mysite.asgi.application`` in the notation of servers: ``mysite.asgi:application``."""
    return ":".join((dotted or default).rsplit(".", 1))


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
