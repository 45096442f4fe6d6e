"""``python -m tests.faults``: the whole matrix of faults, or some of it. What `make faults` runs."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.faults import report
from tests.faults.matrix import FAULTS
from tests.faults.runner import Outcome, run_all
from tests.faults.world import FULL, SMALL, World


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", metavar="F08,F12", help="these faults; without it, all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="of the load's chances")
    parser.add_argument("--short", action="store_true", help="the form that `make test` runs")
    parser.add_argument("--keep", type=Path, help="a folder for the logs of all processes")
    given = parser.parse_args()
    given.names = sorted(given.only.upper().split(",") if given.only else FAULTS)
    if unknown := [name for name in given.names if name not in FAULTS]:
        parser.error(f"no fault {unknown[0]}; there are {', '.join(sorted(FAULTS))}")
    return given


async def run(folder: Path, given: argparse.Namespace) -> list[Outcome]:
    async with World.started(folder, size=SMALL if given.short else FULL, seed=given.seed, short=given.short) as world:
        return await run_all(world, given.names)


def main() -> int:
    given = arguments()
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        outcomes = asyncio.run(run(given.keep or Path(folder), given))
    print(report.markdown(outcomes))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
