"""Findings of the steps: one line of the report each, with hints how to fix the trouble."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """The part works, but perhaps not as intended."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """The step could not be tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the report."""

    level: Severity
    text: str
    """Observation. Must not hold a password or a session key."""
    hints: tuple[str, ...] = ()
    """Remedies: sentences, or commands to copy."""
    step: str = ""
    """Name of the step, set by the runner."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as ``--json`` prints it."""
        return {**asdict(self), "level": str(self.level), "hints": list(self.hints)}


def ok(text: str) -> Finding:
    """Return a finding for a part that works."""
    return Finding(level=Severity.OK, text=text)


def warning(text: str, *hints: str) -> Finding:
    """Return a finding for a part that works, but perhaps not as intended."""
    return Finding(level=Severity.WARNING, text=text, hints=hints)


def failed(text: str, *hints: str) -> Finding:
    """Return a finding for a part that does not work."""
    return Finding(level=Severity.FAILED, text=text, hints=hints)


def skipped(text: str) -> Finding:
    """Return a finding for a step that could not be tried; ``text`` gives the reason."""
    return Finding(level=Severity.SKIPPED, text=text)
