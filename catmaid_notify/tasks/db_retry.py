"""The end of a task must be stored, also where the database restarts just then."""

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
    """Call ``store``, again after each of these seconds while the database refuses connections.

    Raises:
        OperationalError, InterfaceError: it still does; or at once in a transaction, where trying again can't help.
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
