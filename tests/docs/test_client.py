"""docs/client.md names what the client has, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from catmaid_notify.protocol import Close
from catmaid_notify.views import js_modules

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
DECLARED = (js_modules.DIRECTORY / "index.d.ts").read_text()


def rows(heading: str) -> str:
    """Return the first cells of the tables below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))


def members(interface: str) -> set[str]:
    body = DECLARED.partition(f"interface {interface} ")[2].partition("\n}")[0]
    return set(re.findall(r"^    (?:readonly )?(\w+)[?(<:]", body, re.MULTILINE))


def test_client_page__methods_and_properties() -> None:
    documented = re.findall(r"`(\w+)", rows("Methods and properties"))
    assert set(documented) == members("Notifier") - {"messagesUrl"}


def test_client_page__events() -> None:
    assert set(re.findall(r"`(\w+)`", rows("Events"))) == members("EventDetails")


def test_client_page__states_and_close_codes() -> None:
    (states,) = re.findall(r"type State = (.*);", DECLARED)
    assert re.findall(r"`(\w+)`", rows("States")) == [*dict.fromkeys(re.findall(r'"(\w+)"', states))]
    assert {int(code) for code in re.findall(r"\b4\d{3}\b", rows("States"))} == {int(code) for code in Close}
