"""``python -m faults``: runs all faults, or some of them. ``make faults`` calls it.

Faults that take long run in lanes of their own, each with its own installation. Each lane is a process that runs this
command again. SIGTERM and SIGINT end all lanes, and everything that they have started.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import secrets
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from faults import ending, report
from faults.matrix import FAULTS
from faults.runner import run_lane
from faults.world import SMALL, Plan
from tests.support.process import ROOT

WHOLE = ("main", "second")
"""Lanes with all clients and tabs. The faults that need no longer than some minutes are split between them."""
BESIDE = replace(SMALL, users=15)
"""Size of the other lanes, which hold the slowest faults."""


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", metavar="F08,F12", help="ids of faults to run; default: all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="seed for all random choices")
    parser.add_argument("--short", action="store_true", help="run a small and quick version, as in `make test`")
    parser.add_argument("--soak", type=float, default=3, metavar="MINUTES", help="duration of F33, 3 by default")
    parser.add_argument("--keep", type=Path, help="folder for the logs of all processes")
    parser.add_argument("--markdown", type=Path, help="file for the table, such as docs/guarantees.md")
    parser.add_argument("--lane", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.names = sorted(given.only.upper().split(",") if given.only else FAULTS)
    if unknown := [name for name in given.names if name not in FAULTS]:
        parser.error(f"no fault {unknown[0]}; there are {', '.join(sorted(FAULTS))}")
    return given


async def run_lanes(given: argparse.Namespace) -> list[list[str]]:
    """Run each lane in its own process, in parallel; return the rows of the table in the order of the faults."""
    lanes: dict[str, list[str]] = {}
    for name in given.names:
        lanes.setdefault(FAULTS[name].lane, []).append(name)
    async with asyncio.TaskGroup() as group:  # waits for all lanes, also when this is cancelled
        running = [group.create_task(_lane(given, lane, names)) for lane, names in lanes.items()]
    return sorted(row for lane in running for row in lane.result())


async def _lane(given: argparse.Namespace, lane: str, names: list[str]) -> list[list[str]]:
    options = ["--lane", lane, "--only", ",".join(names), "--seed", str(given.seed), "--soak", str(given.soak)]
    options += ["--short"] if given.short else []
    options += ["--keep", str(given.keep / lane)] if given.keep else []
    command = [sys.executable, "-m", "faults", *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        return [
            [name, f"the lane {lane!r} ended with {process.returncode}", *["-"] * 6, "**failed**"] for name in names
        ]
    rows: list[list[str]] = json.loads(output)
    return rows


def run_here(given: argparse.Namespace) -> None:
    """Run one lane, and print its rows as JSON."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))  # 1,000 clients need 1,000 sockets
    plan = Plan(seed=given.seed, short=given.short, soak_seconds=60 * given.soak)
    if given.short:
        plan = replace(plan, size=SMALL)
    elif given.lane not in WHOLE:
        plan = replace(plan, size=BESIDE)
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        faults = [FAULTS[name] for name in given.names]
        outcomes = ending.run(run_lane(given.keep or Path(folder), plan, faults))
    print(json.dumps([report.cells(outcome) for outcome in outcomes]))


def main() -> int:
    """Run the faults that the command line names; return the exit code."""
    given = arguments()
    if given.lane:
        run_here(given)
        return 0
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    rows = ending.run(run_lanes(given))
    table = report.markdown(rows)
    print(table)
    if given.markdown:
        report.put(given.markdown, table)
    return 0 if all(row[-1] == report.GOOD for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
