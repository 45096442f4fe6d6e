"""Reads the environment variables of the demo; ``demo/README.md`` lists them."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    # Readers don't wait for writers, and a transaction takes the write lock when it begins: taking it in the middle
    # fails at once with "database is locked" if somebody else has written since.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}


def number(name: str, default: int, *, least: int = 1) -> int:
    """Return a whole number.

    Raises:
        ImproperlyConfigured: it is none, or below ``least``.
    """
    value = os.environ.get(name, "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > 18 or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number, {least} or more; found {value!r}.")
    return int(value)


def database(url: str, folder: Path) -> dict[str, Any]:
    """Return what Django's ``DATABASES`` wants for ``postgresql://user:password@host:port/name``; empty: SQLite.

    Raises:
        ImproperlyConfigured: it is another kind of URL. The text doesn't repeat it, since it holds a password.
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
    """Return the key of this installation; the first call makes it and keeps it in ``folder``."""
    path = folder / "secret_key"
    if not path.exists():
        # Written beside it and then linked: a second process that starts now sees the whole key or none.
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
