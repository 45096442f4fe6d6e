"""Objects by event loop."""

from __future__ import annotations

import asyncio
import gc
import weakref

from catmaid_notify.utils.asyncio import PerLoop


class Holder:
    """An object that refers to its own loop, as one with a task does."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


async def get_twice(per_loop: PerLoop[Holder]) -> weakref.ref[Holder]:
    made = per_loop.get(Holder)
    assert per_loop.get(Holder) is made
    assert per_loop.of(asyncio.get_running_loop()) is made
    return weakref.ref(made)


def test_per_loop__closed_loops_are_not_kept() -> None:
    per_loop: PerLoop[Holder] = PerLoop()
    made = [asyncio.run(get_twice(per_loop)) for _ in range(20)]
    gc.collect()
    assert [one() is not None for one in made] == [False] * 19 + [True]
    assert len(per_loop.values()) == 1


async def test_per_loop__pop() -> None:
    per_loop: PerLoop[Holder] = PerLoop()
    made = per_loop.get(Holder)
    assert per_loop.pop() is made
    assert per_loop.pop() is None
    assert per_loop.values() == []
