"""PostgreSQL server of this machine, and databases that belong to one test."""

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
    ("127.0.0.1", "postgres"),  # for servers that trust local connections
    ("/var/run/postgresql", getpass.getuser()),  # for servers that authenticate users of the system, as Debian's does
]
"""Hosts and users, tried in turn. PGHOST and PGUSER name others."""


@cache
def way() -> tuple[str, str] | str:
    """Return a host and a user who may create databases, or the reason why there are none."""
    import psycopg  # imported here, since not every environment has it

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
    """Return the reason why no database can be created; an empty string if one can."""
    found = way()
    return found if isinstance(found, str) else ""


def _found() -> tuple[str, str]:
    found = way()
    if isinstance(found, str):
        raise ConnectionError(found)
    return found


def execute(statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """Run one statement outside of a transaction, and return its rows."""
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
    """Copy an idle database as a template for others. The copy is dropped when this process ends."""
    template = f"template_{secrets.token_hex(6)}"
    execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')
    atexit.register(execute, f'DROP DATABASE "{template}" WITH (FORCE)')
    return template


@contextmanager
def database(template: str = "template1") -> Iterator[str]:
    """Create a database as a copy of another one, and yield its name. It is dropped at the end, even while in use."""
    name = f"test_{secrets.token_hex(6)}"
    try:
        execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield name
    finally:
        execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
