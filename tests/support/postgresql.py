"""The PostgreSQL server of this machine, and databases of it that belong to one test."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.ports import listens

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = os.environ.get("PGHOST", "127.0.0.1")
PORT = int(os.environ.get("PGPORT", "5432"))
USER = os.environ.get("PGUSER", "postgres")


def missing() -> str:
    """Say why no database can be had; an empty string if one can."""
    return "" if listens(PORT, HOST) else f"no PostgreSQL on {HOST}:{PORT}"


def execute(statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """Run one statement outside of any transaction, and return its rows."""
    import psycopg  # not in every environment that imports this module

    with psycopg.connect(host=HOST, port=PORT, user=USER, dbname=database, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def django_settings(name: str) -> dict[str, Any]:
    """Return the entry for Django's DATABASES."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": HOST,
        "PORT": str(PORT),
        "USER": USER,
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
    }


@contextmanager
def database(template: str = "template1") -> Iterator[str]:
    """Make a database as a copy of another one, and yield its name; it is dropped at the end, whoever uses it then."""
    name = f"test_{secrets.token_hex(6)}"
    try:
        execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield name
    finally:
        execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
