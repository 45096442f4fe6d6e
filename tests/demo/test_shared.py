"""The sheet and the counter without browsers: what is taken, what is refused, and what is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from catmaid_notify import push as push_module
from demo.shared.columns import Invalid, cleaned
from demo.shared.models import Counter

if TYPE_CHECKING:
    from django.test import Client

CELLS = "/sheet/plan/cells"
pytestmark = pytest.mark.usefixtures("crops_app")


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is published."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        push_module, "transport", lambda: lambda _group, message: found.append(json.loads(message["v1"]))
    )
    return found


def save(client: Client, value: Any, *, version: Any = 0, row: Any = 1, column: Any = 0, **headers: str) -> Any:
    change = {"row": row, "column": column, "value": value, "version": version}
    return client.post(CELLS, json.dumps(change), content_type="application/json", headers=headers)


@pytest.mark.parametrize(
    ("column", "typed", "value"),
    [(0, "  a   b ", "a b"), (0, "", ""), (1, " 007", "7"), (1, "", ""), (2, "50 %", "50"), (2, "100", "100")],
)
def test_cleaned(column: int, typed: str, value: str) -> None:
    assert cleaned(column, typed) == value


@pytest.mark.parametrize(
    ("column", "typed"), [(0, "a" * 81), (0, "a\0"), (1, "-1"), (1, "1.5"), (1, "٣"), (1, "1" * 10), (2, "101")]
)
def test_cleaned__invalid(column: int, typed: str) -> None:
    with pytest.raises(Invalid):
        cleaned(column, typed)


def test_save__is_published_with_its_sender(
    signed_in: Client, frames: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = save(signed_in, "Larva", x_sender="tab 7")
    cell = {"row": 1, "column": 0, "value": "Larva", "version": 1, "by": "ann"}
    assert answer.json() == {"cell": cell}
    assert frames == [{"event": "cell", "payload": cell, "topic": "sheet:plan", "sender": "tab 7"}]
    assert signed_in.get(CELLS).json() == {"cells": [cell]}


@pytest.mark.parametrize("version", [0, 2])
def test_save__conflict_says_what_is_there(
    signed_in: Client, frames: list[dict[str, Any]], version: int, django_capture_on_commit_callbacks: Any
) -> None:
    save(signed_in, "first")
    with django_capture_on_commit_callbacks(execute=True):
        answer = save(signed_in, "second", version=version)
    assert answer.status_code == 409
    assert (answer.json()["cell"]["value"], answer.json()["cell"]["version"]) == ("first", 1)
    assert frames == []
    assert save(signed_in, "second", version=1).json()["cell"]["version"] == 2


@pytest.mark.parametrize(
    "change", [{"row": 12}, {"column": 5}, {"row": -1}, {"row": True}, {"version": None}, {"value": 7}, {"row": "1"}]
)
def test_save__what_is_no_change(signed_in: Client, change: dict[str, Any]) -> None:
    assert save(signed_in, **{"value": "a", **change}).status_code == 400


def test_save__not_valid_in_words(signed_in: Client) -> None:
    answer = save(signed_in, "many", column=1)
    assert (answer.status_code, answer.json()) == (422, {"error": "“many” is not a whole number."})


def test_pages__for_those_who_are_signed_in(client: Client) -> None:
    for path in ("/sheet/", "/counter/", "/counter/demo/raise/"):
        assert client.get(path).status_code == 302
    assert client.get(CELLS).status_code == 401


def test_counter__is_raised_and_published(
    signed_in: Client, frames: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    assert b">0<" in signed_in.get("/counter/").content
    with django_capture_on_commit_callbacks(execute=True):
        assert signed_in.post("/counter/demo/raise/").status_code == 302
    assert Counter.objects.get().value == 1
    assert [(frame["topic"], frame["payload"]) for frame in frames] == [("counter:demo", 1)]
    assert b">1<" in signed_in.get("/counter/demo/raise/").content
