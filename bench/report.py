"""Result tables and goals, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.figures import Runs, Summary
from bench.rows.table import Figure, Goal, Row


class Outcome(NamedTuple):
    """A goal and the measured value."""

    goal: str
    measured: str
    is_reached: bool


def as_table(row: Row, runs: Runs) -> str:
    """Return a Markdown table with a line for each kind: median (lowest–highest), and × for our advantage."""
    kinds = [kind for kind in row.kinds if runs.kinds() >= {kind}]
    heads = [row.title, *[head for figure in row.figures.values() for head in (figure.title, "×")]]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for kind in kinds:
        cells = [kind]
        for key, figure in row.figures.items():
            cells += [_cell(Summary.of(runs.values(kind, key)), figure), _advantage(runs, key, figure, kinds[0], kind)]
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def outcomes(row: Row, runs: Runs) -> Iterator[Outcome]:
    """Compare the results with the goals. Goals about kinds that were not measured are left out."""
    for goal in row.goals:
        if {goal.kind, goal.against or goal.kind} <= runs.kinds():
            yield _outcome(row, runs, goal)


def as_json(row: Row, runs: Runs) -> dict[str, Any]:
    """Return all values, and our advantage over each other kind."""
    kinds = [kind for kind in row.kinds if kind in runs.kinds()]
    return {
        "title": row.title,
        "figures": {
            key: {
                "title": figure.title,
                "better": figure.better,
                "kinds": {kind: _values(runs, kind, key) for kind in kinds},
                "advantage": {
                    kind: ratio and ratio.median
                    for kind in kinds[1:]
                    for ratio in [runs.advantage(key, figure.better, kinds[0], kind)]
                },
            }
            for key, figure in row.figures.items()
        },
        "goals": [outcome._asdict() for outcome in outcomes(row, runs)],
    }


def _values(runs: Runs, kind: str, key: str) -> dict[str, Any]:
    values = runs.values(kind, key)
    summary = Summary.of(values)
    return {"values": values, "median": summary.median, "low": summary.low, "high": summary.high}


def _cell(summary: Summary, figure: Figure) -> str:
    low, high = figure.format.format(summary.low), figure.format.format(summary.high)
    median = figure.format.format(summary.median)
    return median if low == high else f"{median} ({low}–{high})"


def _advantage(runs: Runs, key: str, figure: Figure, ours: str, kind: str) -> str:
    if kind == ours:
        return ""
    ratio = runs.advantage(key, figure.better, ours, kind)
    return "" if ratio is None else f"{ratio.median:.2f}"


def _outcome(row: Row, runs: Runs, goal: Goal) -> Outcome:
    figure = row.figures[goal.figure]
    than = "at most" if figure.better == "less" else "at least"
    if not goal.against:
        measured = Summary.of(runs.values(goal.kind, goal.figure))
        limit, text = goal.plus, f"{than} {goal.plus:g}"
    elif goal.plus:
        measured = runs.difference(goal.figure, goal.kind, goal.against)
        limit, text = goal.plus, f"{than} {goal.plus:g} more than {goal.against}"
    else:
        measured = runs.ratio(goal.figure, goal.kind, goal.against)
        limit, text = goal.times, f"{than} {goal.times:g} × {goal.against}"
    is_reached = measured.median <= limit if figure.better == "less" else measured.median >= limit
    shown = f"{measured.median:,.2f} ({measured.low:,.2f}–{measured.high:,.2f})"
    return Outcome(f"{row.title}: {goal.kind}: {figure.title}: {text}", shown, is_reached)
