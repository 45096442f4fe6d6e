"""Benchmark of this project and its peers: ``python -m bench --help``."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine, missing, report
from bench.figures import Run, Runs
from bench.rows import ROWS
from bench.rows.table import FULL, QUICK, Row, Sizes
from bench.stage import Stage

ROUNDS_QUICK = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print the results, and return the exit code."""
    # SystemExit lets context managers clean up vhosts, databases and processes, as KeyboardInterrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _options(arguments)
    rows = [ROWS[name] for name in options.rows]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Stage.open(Path(folder)) as stage:
        results = _measure(stage, rows, options, QUICK if options.quick else FULL)
    facts: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine.describe(),
        "seed": options.seed,
        "rounds": {row.name: _rounds(row, options) for row in rows},
        "seconds": round(time.monotonic() - started),
    }
    _print(facts, rows, results)
    if options.json:
        values = {row.name: report.as_json(row, results[row.name]) for row in rows}
        options.json.write_text(json.dumps({**facts, "rows": values}, indent=1) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare this project with its peers.")
    parser.add_argument("--rounds", type=int, help=f"rounds of each row; default: its own, with --quick {ROUNDS_QUICK}")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one round, only kinds that have goals")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help="only kinds whose names hold one of these words")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**32), help="seed for the order of kinds in each round"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values into this file")
    return parser.parse_args(arguments)


def _rounds(row: Row, options: argparse.Namespace) -> int:
    return int(options.rounds or (ROUNDS_QUICK if options.quick else row.rounds))


def _measure(stage: Stage, rows: Sequence[Row], options: argparse.Namespace, sizes: Sizes) -> dict[str, Runs]:
    """Run each row for all rounds. Within a round the kinds take turns, in an order that differs by round."""
    order = random.Random(options.seed)
    results = {row.name: Runs() for row in rows}
    kinds = {row.name: _kinds(row, options.kinds) for row in rows}
    for row in rows:
        row.prepare(stage, sizes)
    most = max(_rounds(row, options) for row in rows)
    for number in range(most):
        for row in rows:
            if number >= _rounds(row, options):
                continue
            wanted = row.kinds if number == 0 and not options.quick else row.kinds_of_goals
            chosen = [kind for kind in wanted if kind in kinds[row.name]]
            for kind in order.sample(chosen, len(chosen)):
                print(f"round {number + 1} of {most}: {row.name}: {kind} ...", file=sys.stderr)
                results[row.name].add(Run(kind=kind, round=number, values=row.run(stage, kind, sizes)))
    return results


def _kinds(row: Row, words: Sequence[str] | None) -> list[str]:
    """Return the kinds that can be measured on this machine, and print the reason for all others."""
    kinds = []
    for kind in row.kinds:
        if words and not any(word in kind for word in words):
            continue
        if reason := missing.reason(kind):
            print(f"{row.name}: {kind} is not measured: {reason}.", file=sys.stderr)
        else:
            kinds.append(kind)
    return kinds


def _print(facts: dict[str, Any], rows: Sequence[Row], results: dict[str, Runs]) -> None:
    for name, fact in facts.items():
        print(f"{name}: {fact if isinstance(fact, str | int) else json.dumps(fact)}")
    print("\nMedian (lowest–highest) of the rounds; ×: how many times better ours, the first one, is.")
    print("Kinds without a goal run in the first round only, and not at all with --quick.\n")
    for row in rows:
        if results[row.name].kinds():
            print(report.as_table(row, results[row.name]) + "\n")
    print("| goal | measured | |\n| --- | ---: | --- |")
    for row in rows:
        for outcome in report.outcomes(row, results[row.name]):
            print(f"| {outcome.goal} | {outcome.measured} | {'reached' if outcome.is_reached else '**missed**'} |")


if __name__ == "__main__":
    sys.exit(main())
