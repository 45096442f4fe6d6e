"""docs/architecture.md names modules, threads and locks that there are, and leaves none out."""

from __future__ import annotations

import re
from importlib.util import find_spec
from xml.etree import ElementTree as ET

from tests.docs import pages
from tests.support.process import ROOT

PAGE = "architecture.md"
APP = ROOT / "catmaid_notify"
PICTURE = pages.FOLDER / "images" / "architecture.svg"
LOCK = re.compile(r"(?:\bLock|Condition|(?<!def )\bnative_lock|\"RLock\"\))\(\)")
"""Where one is made."""
THREAD = re.compile(r"(?:thread_name_prefix|name)=\"(catmaid-notify-\w+)\"")


def sources() -> dict[str, str]:
    """Return the texts of all modules, by their names below the app."""
    found = {}
    for path in APP.rglob("*.py"):
        parts = path.relative_to(APP).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return found


def test_modules__are_there() -> None:
    text = pages.page(PAGE)
    named = set(re.findall(r"`((?:realtime|layers|tasks|topics|inbox|auth|utils|views)(?:\.\w+)*)`", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if find_spec(f"catmaid_notify.{name}") is None] == []
    scripts = set(re.findall(r"`((?:core|ui)/\w+\.js)`", text))
    assert [name for name in sorted(scripts) if not (APP / "static" / "catmaid_notify" / name).exists()] == []


def test_threads__all_that_have_a_name() -> None:
    in_code = {name for source in sources().values() for name in THREAD.findall(source)}
    rows = pages.rows(pages.section(PAGE, "## Threads"))
    assert {name for row in rows for name in re.findall(r"`(catmaid-notify-\w+)`", row[0])} == in_code


def test_locks__a_row_each() -> None:
    made = [module for module, source in sources().items() for _lock in LOCK.findall(source)]
    assert sorted(row[1].strip("`") for row in pages.rows(pages.section(PAGE, "## Locks"))) == sorted(made)


def test_picture__loads_nothing_and_runs_nothing() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    assert f"(images/{PICTURE.name})" in pages.page(PAGE)
    assert not re.search(r"<script|<foreignObject|<image|@import|\bon\w+=|href=", picture)
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme: dark" in picture
    names = [element.tag.rpartition("}")[2] for element in ET.fromstring(picture)]
    assert names[:2] == ["title", "desc"]
