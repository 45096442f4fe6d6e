"""docs/protocol.md has every event, close code and field that there is."""

from __future__ import annotations

from catmaid_notify.protocol import SUBPROTOCOL, Close, Event
from tests.docs import pages

PAGE = "protocol.md"


def test_events__a_row_each():
    listed = [row[0].strip("`") for row in pages.rows(pages.section(PAGE, "## Events"))]
    assert listed == [str(event) for event in Event]


def test_close_codes__a_row_each():
    listed = [int(row[0]) for row in pages.rows(pages.section(PAGE, "## Close codes"))]
    assert listed == [int(code) for code in Close]


def test_subprotocol__is_named():
    assert f"`{SUBPROTOCOL}`" in pages.section(PAGE, "## Opening a socket")


def test_limits__are_the_defaults():
    from catmaid_notify.conf import Conf

    text = pages.page(PAGE)
    assert (Conf.FRAME_BYTES_MAX, Conf.FRAMES_PER_MINUTE) == (1024, 240)
    assert "may have 1 KiB" in text
    assert "240 a minute" in text
    assert f"{Conf.PING_SECONDS:g} seconds by default" in text
    assert f"in {Conf.PONG_SECONDS:g} seconds" in text
