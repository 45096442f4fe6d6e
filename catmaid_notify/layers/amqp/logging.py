"""Keeps the drivers quiet about our connections: we log each change of state once, they each try, with tracebacks.

What they say is still there at level DEBUG, and other code's connections log as ever.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

LOGGERS: Final = ("aiormq.connection", "aiormq.channel", "aio_pika.connection", "aio_pika.channel", "aio_pika.exchange")

is_own_connection: ContextVar[bool] = ContextVar("catmaid_notify_connection", default=False)
"""True in the tasks of our connections, and in those that the drivers start for them."""


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not is_own_connection.get():
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


for _name in LOGGERS:
    logging.getLogger(_name).addFilter(_Quiet())
