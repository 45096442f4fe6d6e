"""Rows of the benchmark, by name."""

from __future__ import annotations

from bench.rows import call, connect, inbox, push
from bench.rows.table import Row

ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        push.FAN_OUT,
        push.EACH,
        push.SIGNED_IN,
        push.BURST,
        push.MANY,
        push.MORE,
        connect.CONNECT,
        connect.ANYBODY,
        connect.COME_BACK,
        call.PUBLISH,
        call.STORE,
        call.STORE_MANY,
        inbox.POLLING,
        inbox.SIZE,
    )
}
