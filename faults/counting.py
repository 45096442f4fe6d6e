"""Import for Daphne's settings: writes one byte into a file for each query that handshakes cause."""

from __future__ import annotations

import os
import threading
from typing import Any

from django.db.backends.signals import connection_created

_file = os.open(os.environ["FAULTS_QUERIES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def _count(execute: Any, sql: str, *arguments: Any) -> Any:
    # Periodic rounds of the hub, which revalidate sessions, run in their own thread and don't count.
    is_round = threading.current_thread().name.startswith("catmaid-notify")
    if ("django_session" in sql or "auth_user" in sql) and not is_round:
        os.write(_file, b".")
    return execute(sql, *arguments)


def _watch(*, connection: Any, **_kwargs: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


connection_created.connect(_watch)
