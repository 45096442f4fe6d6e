"""docs/messages.md has the limits that the code has."""

from __future__ import annotations

from catmaid_notify.conf import Conf
from catmaid_notify.content import ACTION_LENGTH_MAX, KEY_LENGTH_MAX, Level
from catmaid_notify.inbox.recipients import BATCH
from tests.docs import pages

PAGE = "messages.md"


def arguments() -> list[list[str]]:
    """Return the rows about the arguments of `notify_user`."""
    return pages.rows(pages.section(PAGE, "## One user").partition("\n### ")[0])


def test_arguments__limits() -> None:
    limits = {row[0].strip("`"): row[2] for row in arguments()}
    assert limits["title"].startswith(f"{Conf.TITLE_LENGTH_MAX} characters")
    assert limits["text"].startswith(f"{Conf.TEXT_LENGTH_MAX:,} characters")
    assert limits["action"].startswith(f"{ACTION_LENGTH_MAX:,} characters")
    assert limits["key"].startswith(f"{KEY_LENGTH_MAX} characters")


def test_arguments__levels() -> None:
    [meaning] = [row[1] for row in arguments() if row[0] == "`level`"]
    assert [level for level in Level.values if f"`{level}`" not in meaning] == []


def test_text__numbers() -> None:
    assert f"in batches of {BATCH:,} users" in pages.page(PAGE)
    assert f"{Conf.PAYLOAD_BYTES_MAX // 1024} KiB (`CATMAID_NOTIFY_PAYLOAD_BYTES_MAX`)" in pages.page(PAGE)
