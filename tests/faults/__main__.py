"""``python -m tests.faults``: the whole matrix of faults, or some of it. What `make faults` runs."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.faults import report
from tests.faults.faults import Fault
from tests.faults.matrix import FAULTS
from tests.faults.runner import Outcome, run_lanes
from tests.faults.world import FULL, SMALL, Plan


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", metavar="F08,F12", help="these faults; without it, all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="of the load's chances")
    parser.add_argument("--short", action="store_true", help="the form that `make test` runs")
    parser.add_argument("--soak", type=float, default=3, metavar="MINUTES", help="how long F33 takes, 3 by default")
    parser.add_argument("--keep", type=Path, help="a folder for the logs of all processes")
    given = parser.parse_args()
    given.names = sorted(given.only.upper().split(",") if given.only else FAULTS)
    if unknown := [name for name in given.names if name not in FAULTS]:
        parser.error(f"no fault {unknown[0]}; there are {', '.join(sorted(FAULTS))}")
    return given


async def run(folder: Path, given: argparse.Namespace) -> list[Outcome]:
    """Run all lanes side by side; each has an installation of its own."""
    plan = Plan(seed=given.seed, size=FULL, soak_seconds=60 * given.soak)
    if given.short:
        plan = replace(plan, size=SMALL, short=True)
    lanes: dict[str, list[Fault]] = {}
    for name in given.names:
        lanes.setdefault(FAULTS[name].lane, []).append(FAULTS[name])
    return await run_lanes(folder, plan, lanes)


def main() -> int:
    given = arguments()
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        outcomes = asyncio.run(run(given.keep or Path(folder), given))
    print(report.markdown(outcomes))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
