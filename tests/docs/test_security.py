"""docs/security.md has the limits and numbers that the code has."""

from __future__ import annotations

from typing import Any

from catmaid_notify.conf import Conf
from catmaid_notify.protocol import Close
from catmaid_notify.realtime.consumers import CLOSE_SECONDS
from tests.docs import pages

PAGE = "security.md"
DEFAULTS: dict[str, tuple[Any, Close]] = {
    "100": (100, Close.TOO_MANY_SOCKETS),
    "1 KiB": (1024, Close.TOO_MANY_FRAMES),
    "240": (240, Close.TOO_MANY_FRAMES),
    "10 s": (10, Close.SILENT),
    "2 MiB": (2 * 1024 * 1024, Close.SILENT),
}


def test_limits__are_the_defaults():
    for _what, name, default, code in pages.rows(pages.section(PAGE, "## What a client may do")):
        value, close = DEFAULTS[default]
        assert getattr(Conf, name.strip("`").removeprefix("CATMAID_NOTIFY_")) == value
        assert int(code) == close


def test_numbers__in_the_text():
    text = pages.page(PAGE)
    assert f"`CATMAID_NOTIFY_SESSION_CHECK_SECONDS` ({Conf.SESSION_CHECK_SECONDS})" in text
    assert CLOSE_SECONDS == 2
    # A second until the ping is due, one until its answer is.
    assert Conf.PING_SECONDS + Conf.PONG_SECONDS + CLOSE_SECONDS + 2 < 40
