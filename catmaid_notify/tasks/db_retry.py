"""Retry of database work while the database is away. The end of a task must survive a restart of the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, router, transaction

from catmaid_notify.models import Message
from catmaid_notify.tasks.progress import in_transaction

logger = logging.getLogger("catmaid_notify")

T = TypeVar("T")


def while_database_is_away(store: Callable[[], T], waits: Iterable[float]) -> T:
    """Call ``store`` until it succeeds, as long as the database can't be reached.

    Args:
        store: the work. The connection is closed after a failed attempt, so the next one connects anew.
        waits: seconds to sleep after each failed attempt. One more attempt follows the last of them.

    Returns:
        The value that ``store`` has returned.

    Raises:
        OperationalError, InterfaceError: the last attempt failed; or the first one in a transaction, which can't go on
            with another connection.
    """
    connection = transaction.get_connection(router.db_for_write(Message))
    for seconds in waits:
        try:
            return store()
        except (OperationalError, InterfaceError) as error:
            if in_transaction(connection.alias):
                raise
            logger.warning("Message of a task's end not stored, trying again: reason=%s", error)
            connection.close()
            time.sleep(seconds)
    return store()
