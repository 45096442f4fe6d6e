"""Benchmark of channel layers: ``python -m bench.layers --help``."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import random
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.figures import Run, Runs
from bench.layers import peer, places, report
from bench.layers.kinds import KINDS, Kind
from bench.layers.rows import FULL, QUICK, ROWS, Sizes

ROUNDS = 5
ROUNDS_QUICK = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print the results, and return the exit code."""
    # SystemExit lets context managers clean up vhosts and processes, as KeyboardInterrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _options(arguments)
    kinds = _kinds(options.kinds, dict(options.python))
    if not kinds:
        return 1
    rounds = options.rounds or (ROUNDS_QUICK if options.quick else ROUNDS)
    sizes = QUICK if options.quick else FULL
    facts: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine.describe(),
        "seed": options.seed,
        "rounds": rounds,
        "sizes": dataclasses.asdict(sizes),
    }
    with tempfile.TemporaryDirectory() as folder, places.places(kinds) as made:
        facts["packages"] = _packages(kinds, made, Path(folder))
        for name, fact in facts.items():
            print(f"{name}: {fact if isinstance(fact, str | int) else json.dumps(fact)}")
        results = _measure(kinds, options.rows, made, Path(folder), rounds=rounds, sizes=sizes, seed=options.seed)
    names = [kind.name for kind in kinds]
    print(f"\nMedian (lowest–highest) of {rounds} rounds; ×: how many times better than that peer ours is\n")
    print(report.as_table(results, names))
    for line in report.behind(results, names):
        print(f"behind: {line}")
    if options.json:
        options.json.write_text(json.dumps({**facts, "rows": report.as_json(results, names)}, indent=1) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.layers", description="Compare channel layers, in turns.")
    parser.add_argument("--rounds", type=int, help=f"rounds of each row: {ROUNDS}, with --quick {ROUNDS_QUICK}")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**32), help="seed for the order of kinds in each round"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values into this file")
    parser.add_argument(
        "--python",
        nargs=2,
        action="append",
        default=[],
        metavar=("KIND", "PATH"),
        help="Python environment for one kind",
    )
    return parser.parse_args(arguments)


def _kinds(names: Sequence[str], pythons: Mapping[str, str]) -> list[Kind]:
    """Return the kinds that can be measured on this machine, and print the reason for all others."""
    kinds = []
    for name in names:
        kind = KINDS[name]
        if name in pythons:
            kind = dataclasses.replace(kind, python=Path(pythons[name]).absolute())
        if reason := places.missing(kind):
            print(f"{name} is not measured: {reason}.", file=sys.stderr)
        else:
            kinds.append(kind)
    return kinds


def _packages(kinds: Sequence[Kind], made: Mapping[str, str], folder: Path) -> dict[str, dict[str, str]]:
    """Return the versions of each kind's packages, by kind."""
    found = {}
    for kind in kinds:
        worker = peer.Peer(kind, kind.config(made[kind.name], room=None), folder / f"{kind.name}.log")
        try:
            found[kind.name] = worker.ask("versions", packages=kind.packages)
        finally:
            worker.end()
    return found


def _measure(
    kinds: Sequence[Kind],
    rows: Sequence[str],
    made: Mapping[str, str],
    folder: Path,
    *,
    rounds: int,
    sizes: Sizes,
    seed: int,
) -> dict[str, Runs]:
    """Run each row for all rounds. Within a round the kinds take turns, in an order that differs by round."""
    order = random.Random(seed)
    results = {name: Runs() for name in rows}
    for number in range(rounds):
        for name in rows:
            for kind in order.sample(kinds, len(kinds)):
                row = ROWS[name]
                print(f"round {number + 1} of {rounds}: {name}: {kind.name} ...", file=sys.stderr)
                log = folder / f"{kind.name}.log"
                with peer.pair(kind, made[kind.name], log, room=row.room) as (sender, receiver):
                    values = row.run(sender, receiver, f"g{number}.{secrets.token_hex(3)}.", sizes)
                results[name].add(Run(kind=kind.name, round=number, values=values))
    return results


if __name__ == "__main__":
    sys.exit(main())
