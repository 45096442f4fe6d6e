"""Columns of the sheet, and validation of their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ROWS: Final = 12
VALUE_LENGTH_MAX: Final = 80


class Invalid(Exception):
    """The value is not valid. The text says why, for the user."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and the function that turns typed text into a value."""

    title: str
    clean: Callable[[str], str]
    is_number: bool = False


def _text(typed: str) -> str:
    value = " ".join(typed.split())
    if len(value) > VALUE_LENGTH_MAX:
        raise Invalid(f"At most {VALUE_LENGTH_MAX} characters, please; these are {len(value)}.")
    if not value.isprintable():
        raise Invalid("This has characters that can't be shown.")
    return value


def _whole_number(typed: str) -> str:
    value = _text(typed)
    if value and not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise Invalid(f"“{value}” is not a whole number.")
    return value and str(int(value))


def _percent(typed: str) -> str:
    value = _whole_number(typed.strip().removesuffix("%").strip())
    if value and int(value) > 100:
        raise Invalid(f"{value} is more than 100 %.")
    return value


COLUMNS: Final = (
    Column("Sample", _text),
    Column("Slices", _whole_number, is_number=True),
    Column("Traced (%)", _percent, is_number=True),
    Column("Who", _text),
    Column("Note", _text),
)


def cleaned(column: int, typed: str) -> str:
    """Return the value to store.

    Raises:
        Invalid: the text is not a valid value of this column.
    """
    return COLUMNS[column].clean(typed)
