from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catmaid_notify.content import Content
from catmaid_notify.tasks.texts import failure_text, fit, fit_title

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("Crop", "Crop"),
        ("a\0b", "ab"),
        ("file \udc80", "file "),
        ("🧠" * 10, "🧠" * 10),
        ("x" * 10, "x" * 10),
        ("x" * 11, "x" * 9 + "…"),
        (7, "7"),
    ],
    ids=ascii,
)
def test_fit__examples(text: object, fitted: str) -> None:
    assert fit(text, 10) == fitted


@given(st.text(st.characters(), max_size=300), st.integers(1, 255))
def test_fit__is_never_longer_and_can_be_stored(text: str, length_max: int) -> None:
    fitted = fit(text, length_max)
    assert len(fitted) <= length_max
    assert "\0" not in fitted
    fitted.encode()


@given(st.text(st.characters(), max_size=300))
def test_fit_title__is_a_title_unless_empty(text: str) -> None:
    title = fit_title(text)
    if title.strip():
        assert Content.checked(title=title).title == title


@pytest.mark.parametrize("limit", [20, 255, 10_000])
def test_fit_title__keeps_to_setting_and_column(settings: Settings, limit: int) -> None:
    settings.CATMAID_NOTIFY_TITLE_LENGTH_MAX = limit
    assert len(fit_title("x" * 20_000)) == min(limit, 255)


def test_failure_text__of_an_unknown_error_has_nothing_of_it() -> None:
    text = failure_text(RuntimeError("the password"))
    assert "password" not in text
    assert "RuntimeError" not in text
    assert text
