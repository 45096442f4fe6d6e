"""Runner: causes one fault after another under load, and judges each."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from faults import report
from faults.checker import Verdict
from faults.faults import BACK, Criterion, Fault, Measure
from faults.outcome import Outcome
from faults.world import Plan, World


async def run(world: World, chosen: Fault) -> Outcome:
    """Run one fault under load, and judge it."""
    began = len(world.phases)
    await world.all_live()  # restores clients that the previous fault has left without a socket
    world.order(chosen.id)
    world.phase("before")
    await asyncio.sleep(world.span(chosen.before, 1.5))
    world.phase("during")
    criteria: list[Criterion] = []
    error = ""
    try:
        criteria += await chosen.happen(world)
    except Exception as failure:  # noqa: BLE001 - one fault that can't be made must not hide the others
        error = f"{type(failure).__name__}: {' '.join(str(failure).split())[-300:]}"
        await world.repair()
        world.order(chosen.id)
    if world.phases[-1][1] != "after":
        world.phase("after")
    if world.short:
        criteria.append(await _pushed_again(world, chosen.id))
    else:
        await asyncio.sleep(max(0.0, world.phases[-1][0] + chosen.after - time.monotonic()))
    verdict = await world.settle(chosen.id)
    return Outcome(
        fault=chosen,
        verdict=verdict,
        measures=[one if isinstance(one, Measure) else one(verdict) for one in criteria],
        phases=world.phases[began:],
        resources=world.resources(),
        bindings=len(await world.bindings()),
        error=error,
    )


async def _pushed_again(world: World, run: str) -> Measure:
    """Keep the load running until pushing works again."""
    world.order(run)
    most = world.limit(0, *BACK)
    took = await world.all_pushed(most, since=world.phases[-1][0])
    return Measure(what="all pushed again after", value=took, most=most)


async def run_lane(folder: Path, plan: Plan, faults: Sequence[Fault]) -> list[Outcome]:
    """Start an installation, run faults on it, and end it."""
    async with World.started(folder, replace(plan, nodes=max(fault.nodes for fault in faults))) as world:
        return await run_all(world, faults)


async def run_all(world: World, faults: Sequence[Fault]) -> list[Outcome]:
    """Run faults one after another. All are judged again at the end, since duplicates may come late."""
    outcomes = []
    for chosen in faults:
        began = time.monotonic()
        outcomes.append(await run(world, chosen))
        took = time.monotonic() - began
        print(f"{took:.0f} s: {' | '.join(report.cells(outcomes[-1]))}", file=sys.stderr)
        print(report.details(outcomes[-1]), file=sys.stderr, flush=True)
    await asyncio.sleep(world.span(35, 0))
    for outcome in outcomes:
        outcome.verdict = judged_again(outcome.verdict, world.verdict(outcome.fault.id))
    return outcomes


def judged_again(first: Verdict, later: Verdict) -> Verdict:
    """Return the later verdict with the losses of the first one, which the end of a later fault may have hidden."""
    return replace(later, lost=first.lost, showings=first.showings)
