"""Result table of a run, for people and for the documentation. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.figures import percentile
from faults.checker import BUCKETS, histogram, in_phases

if TYPE_CHECKING:
    from pathlib import Path

    from faults.outcome import Outcome

HEAD = ("fault", "", "messages", "lost", "unexpected", "duplicated", "shown p50 / p99 / max", "criterion", "")
BEGIN, END = "<!-- faults -->", "<!-- end of faults -->"
GOOD = "ok"
"""Last cell of a row that meets all its criteria."""


def cells(outcome: Outcome) -> list[str]:
    """Return the cells of one row."""
    verdict = outcome.verdict
    kinds = [verdict.lost, verdict.unexpected, verdict.duplicated]
    criteria = [outcome.error, *map(str, outcome.measures)]
    return [
        outcome.fault.id,
        outcome.fault.title,
        str(verdict.acked),
        *[str(len(found)) for found in kinds],
        times(verdict.seconds),
        "; ".join(text for text in criteria if text),
        GOOD if outcome.is_good else "**failed**",
    ]


def times(seconds: Sequence[float]) -> str:
    """Return the percentiles of times to show, as text."""
    if not seconds:
        return "-"
    return (
        " / ".join(f"{value:.3g}" for value in (percentile(seconds, 50), percentile(seconds, 99), max(seconds))) + " s"
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put(path: Path, table: str) -> None:
    """Write the table between the two marks in a file."""
    text = path.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(f"{text[:begin]}\n{table}\n{text[end:]}")


def details(outcome: Outcome) -> str:
    """Return the text below the table about one fault: times by phase, memory, open files, violations."""
    lines = [f"{outcome.fault.id} {outcome.fault.title}"]
    ends = " ".join(f"{f'≤{end:g}':>6}" for end in BUCKETS[:-1])
    lines.append(f"  {'time to show (s)':<16} {ends}   more")
    for phase, seconds in in_phases(outcome.verdict, outcome.phases).items():
        lines.append(f"  {phase:<16} " + " ".join(f"{count:>6}" for count in histogram(seconds)))
    held = "  ".join(f"{name} {memory:.0f} MB, {files} files" for name, (memory, files) in outcome.resources.items())
    lines.append(f"  {held}  bindings {outcome.bindings}")
    for kind in ("lost", "unexpected", "duplicated"):
        found = getattr(outcome.verdict, kind)
        if found:
            lines.append(f"  {kind}: " + ", ".join(f"{viewer} {number}" for viewer, number in found[:10]))
    return "\n".join(lines)
