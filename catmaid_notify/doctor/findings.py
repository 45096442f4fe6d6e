"""What a step has found: one line, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, otherwise than one may think."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the report."""

    level: Severity
    text: str
    """What was seen. Holds no password and no session."""
    hints: tuple[str, ...] = ()
    """What to do: sentences, or commands to copy."""
    step: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {**asdict(self), "level": str(self.level), "hints": list(self.hints)}


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(level=Severity.OK, text=text)


def warning(text: str, *hints: str) -> Finding:
    """Something is odd."""
    return Finding(level=Severity.WARNING, text=text, hints=hints)


def failed(text: str, *hints: str) -> Finding:
    """Something is broken."""
    return Finding(level=Severity.FAILED, text=text, hints=hints)


def skipped(text: str) -> Finding:
    """Something could not be tried; the text says why."""
    return Finding(level=Severity.SKIPPED, text=text)
