"""The PostgreSQL server of this machine, and databases of it that belong to one test."""

from __future__ import annotations

import atexit
import getpass
import os
import secrets
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = int(os.environ.get("PGPORT", "5432"))
WAYS = [
    ("127.0.0.1", "postgres"),  # where local connections are trusted
    ("/var/run/postgresql", getpass.getuser()),  # where the system's users are, as Debian has it
]
"""Hosts and users, tried in turn; PGHOST and PGUSER name another way."""


@cache
def way() -> tuple[str, str] | str:
    """Return host and user that make databases, or the reason why there are none."""
    import psycopg  # not in every environment that imports this module

    given = os.environ.get("PGHOST"), os.environ.get("PGUSER")
    reason = ""
    for host, user in [(given[0] or host, given[1] or user) for host, user in WAYS]:
        try:
            with psycopg.connect(host=host, port=PORT, user=user, dbname="postgres", connect_timeout=5) as connection:
                role = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
                if role.fetchone() == (True,):
                    return host, user
                reason = f"{user} may not make databases"
        except psycopg.OperationalError as error:
            reason = str(error).splitlines()[0]
    return f"no PostgreSQL on port {PORT}: {reason}"


def missing() -> str:
    """Say why no database can be had; an empty string if one can."""
    found = way()
    return found if isinstance(found, str) else ""


def _found() -> tuple[str, str]:
    found = way()
    if isinstance(found, str):
        raise ConnectionError(found)
    return found


def execute(statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """Run one statement outside of any transaction, and return its rows."""
    import psycopg

    host, user = _found()
    with psycopg.connect(host=host, port=PORT, user=user, dbname=database, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def django_settings(name: str) -> dict[str, Any]:
    """Return the entry for Django's DATABASES."""
    host, user = _found()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": host,
        "PORT": str(PORT),
        "USER": user,
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
    }


def keep_as_template(name: str) -> str:
    """Copy a database that nobody is connected to, to make others from; the copy is dropped when this process ends."""
    template = f"template_{secrets.token_hex(6)}"
    execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')
    atexit.register(execute, f'DROP DATABASE "{template}" WITH (FORCE)')
    return template


@contextmanager
def database(template: str = "template1") -> Iterator[str]:
    """Make a database as a copy of another one, and yield its name; it is dropped at the end, whoever uses it then."""
    name = f"test_{secrets.token_hex(6)}"
    try:
        execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield name
    finally:
        execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
