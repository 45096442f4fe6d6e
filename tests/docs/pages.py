"""The pages of docs/, for tests that compare them with the code."""

from __future__ import annotations

import re

from tests.support.process import ROOT

FOLDER = ROOT / "docs"
NAMES = sorted(path.name for path in FOLDER.glob("*.md"))


def page(name: str) -> str:
    """Return the text of a page."""
    return (FOLDER / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of the same level or above."""
    level = heading.partition(" ")[0]
    # From "##" on: a "#" at the beginning of a line is the prompt of root in an example.
    end = rf"(?=^#{{2,{len(level)}}} |\Z)"
    found = re.search(rf"^{re.escape(heading)}\n(.*?){end}", page(name), re.DOTALL | re.MULTILINE)
    assert found, f"docs/{name} has no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of the tables in a text, without the heads."""
    lines = re.findall(r"^\|(.+)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    body = []
    for row, below in zip(cells, [*cells[1:], None], strict=True):
        is_head = below is not None and _is_rule(below)
        if not is_head and not _is_rule(row):
            body.append(row)
    return body


def _is_rule(row: list[str]) -> bool:
    return not row[0].strip("-:| ")
