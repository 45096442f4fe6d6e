"""Result table, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.figures import Runs, Summary
from bench.layers.kinds import OURS
from bench.layers.rows import ROWS, Figure


def as_table(results: Mapping[str, Runs], kinds: Sequence[str]) -> str:
    """Return a Markdown table: median (lowest–highest), and × for our advantage over that peer."""
    peers = [kind for kind in kinds if kind != OURS]
    heads = ["", *([OURS] if OURS in kinds else []), *[head for peer in peers for head in (peer, "×")]]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, runs in results.items():
        lines.append([f"**{ROWS[name].title}**", *[""] * (len(heads) - 1)])
        for key, figure in ROWS[name].figures.items():
            cells = [figure.title]
            for kind in [*([OURS] if OURS in kinds else []), *peers]:
                cells.append(_cell(Summary.of(runs.values(kind, key)), figure))
                if kind != OURS:
                    cells.append(_advantage(runs, key, figure, kind) if OURS in kinds else "")
            lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def as_json(results: Mapping[str, Runs], kinds: Sequence[str]) -> dict[str, Any]:
    """Return all values, their summaries, and the ratios to each peer."""
    return {
        name: {
            key: {
                "title": figure.title,
                "better": figure.better,
                "kinds": {kind: _values(runs, key, kind) for kind in kinds},
                "advantage": dict(_ratios(runs, key, figure, kinds)),
            }
            for key, figure in ROWS[name].figures.items()
        }
        for name, runs in results.items()
    }


def behind(results: Mapping[str, Runs], kinds: Sequence[str]) -> list[str]:
    """Return a line for each figure in which a peer is better than ours."""
    return [
        f"{ROWS[name].title}: {figure.title}: {1 / ratio['median']:.2f} × behind {peer}"
        for name, runs in results.items()
        for key, figure in ROWS[name].figures.items()
        for peer, ratio in _ratios(runs, key, figure, kinds)
        if ratio is not None and ratio["median"] < 1
    ]


def _cell(summary: Summary, figure: Figure) -> str:
    low, high = figure.format.format(summary.low), figure.format.format(summary.high)
    median = figure.format.format(summary.median)
    return median if low == high else f"{median} ({low}–{high})"


def _advantage(runs: Runs, key: str, figure: Figure, peer: str) -> str:
    ratio = runs.advantage(key, figure.better, OURS, peer)
    return "" if ratio is None else f"{ratio.median:.2f}"


def _values(runs: Runs, key: str, kind: str) -> dict[str, Any]:
    values = runs.values(kind, key)
    return {"values": values, **_as_dict(Summary.of(values))}


def _ratios(
    runs: Runs, key: str, figure: Figure, kinds: Sequence[str]
) -> Iterator[tuple[str, dict[str, float] | None]]:
    if OURS in kinds:
        for peer in kinds:
            if peer != OURS:
                ratio = runs.advantage(key, figure.better, OURS, peer)
                yield peer, None if ratio is None else _as_dict(ratio)


def _as_dict(summary: Summary) -> dict[str, float]:
    return {"median": summary.median, "low": summary.low, "high": summary.high, "count": summary.count}
