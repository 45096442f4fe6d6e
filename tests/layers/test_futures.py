"""Future setters: results from other threads, and from the same loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from catmaid_notify.layers import futures as futures_module


async def test_threadsafe_setter__many_by_one_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(100)]
    takers = [futures_module.threadsafe_setter(future) for future in futures]
    hops = []
    hop = loop.call_soon_threadsafe

    def counted(call: Any, *arguments: Any) -> Any:
        hops.append(call)
        return hop(call, *arguments)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)

    def settle() -> None:
        for number, taker in enumerate(takers):
            taker(number)

    thread = threading.Thread(target=settle)
    thread.start()
    thread.join()  # the loop stands still meanwhile, so that all are there when it looks
    assert await asyncio.gather(*futures) == list(range(100))
    assert len(hops) == 1


async def test_threadsafe_setter__each_result_asks_for_a_hop_when_none_is_under_way() -> None:
    loop = asyncio.get_running_loop()
    for number in range(3):
        future: asyncio.Future[int] = loop.create_future()
        taker = futures_module.threadsafe_setter(future)
        threading.Thread(target=taker, args=(number,)).start()
        async with asyncio.timeout(10):
            assert await future == number


async def test_threadsafe_setter__who_gave_up_gets_nothing() -> None:
    loop = asyncio.get_running_loop()
    gone, there = loop.create_future(), loop.create_future()
    takers = [futures_module.threadsafe_setter(gone), futures_module.threadsafe_setter(there)]
    gone.cancel()
    for taker in takers:
        taker("late")
    assert await there == "late"
    assert gone.cancelled()


def test_threadsafe_setter__a_loop_that_has_ended() -> None:
    async def make() -> Any:
        loop = asyncio.get_running_loop()
        return futures_module.threadsafe_setter(loop.create_future())

    taker = asyncio.run(make())
    taker("nobody waits")  # raises nothing
