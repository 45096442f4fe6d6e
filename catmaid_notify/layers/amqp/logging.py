"""Log filter for aio-pika and aiormq that lowers the records of this layer's connections to DEBUG.

The layer logs each change of state once; the drivers log each failed try with a traceback. Connections of other code
are not affected.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

LOGGERS: Final = ("aiormq.connection", "aiormq.channel", "aio_pika.connection", "aio_pika.channel", "aio_pika.exchange")

is_own_connection: ContextVar[bool] = ContextVar("catmaid_notify_connection", default=False)
"""True in the tasks of this layer's connections. Tasks that the drivers start there inherit it with the context."""


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not is_own_connection.get():
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


for _name in LOGGERS:
    logging.getLogger(_name).addFilter(_Quiet())
