"""Parser for the environment variables of the demo; ``demo/README.md`` lists them."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    # WAL: readers don't wait for writers. IMMEDIATE: a transaction takes the write lock at its begin. Taking it later
    # fails at once with "database is locked" if another connection has written since.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}


def number(name: str, default: int, *, least: int = 1) -> int:
    """Return a whole number from an environment variable.

    Raises:
        ImproperlyConfigured: the value is not a whole number, or below ``least``.
    """
    value = os.environ.get(name, "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > 18 or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number, {least} or more; found {value!r}.")
    return int(value)


def database(url: str, folder: Path) -> dict[str, Any]:
    """Return the entry of Django's ``DATABASES`` for ``postgresql://user:password@host:port/name``; empty: SQLite.

    Raises:
        ImproperlyConfigured: the URL is of another kind. The text doesn't repeat the URL, which holds a password.
    """
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": folder / "demo.sqlite3",
            "OPTIONS": SQLITE_OPTIONS,
        }
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured("DATABASE_URL is not a URL.") from error
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ImproperlyConfigured("DATABASE_URL must be postgresql://user:password@host:port/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": port or "",
    }


def secret_key(folder: Path) -> str:
    """Return the secret key of this installation, which the first call creates and stores in ``folder``."""
    path = folder / "secret_key"
    if not path.exists():
        # Written under another name and then linked, so that a second process sees the whole key or none.
        handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(50))
            os.link(name, path)
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()
    return path.read_text(encoding="ascii")
