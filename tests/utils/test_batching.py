"""Questions that are asked together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from catmaid_notify.utils.batching import AT_ONCE, Batcher


class Oracle:
    """Doubles numbers, answering when it is told to; a negative one is an error."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.batcher = Batcher(self.answer)

    async def answer(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(list(numbers))
        self.is_asked.set()
        await self.may_answer.wait()
        if min(numbers) < 0:
            raise ValueError(min(numbers))
        return [2 * number for number in numbers]

    async def tasks(self, numbers: Sequence[int]) -> list[asyncio.Task[int]]:
        """Ask for each in a task, the first one before the others come."""
        tasks = [asyncio.create_task(self.batcher.ask(number)) for number in numbers[:1]]
        await self.is_asked.wait()
        tasks += [asyncio.create_task(self.batcher.ask(number)) for number in numbers[1:]]
        await asyncio.sleep(0)
        return tasks


async def test_ask__the_first_at_once_and_who_comes_meanwhile_together() -> None:
    oracle = Oracle()
    tasks = await oracle.tasks([1, 2, 2, 3])
    oracle.may_answer.set()
    assert await asyncio.gather(*tasks) == [2, 4, 4, 6]
    assert oracle.asked == [[1], [2, 2, 3]]
    assert await oracle.batcher.ask(5) == 10


async def test_ask__not_too_many_together() -> None:
    oracle = Oracle()
    tasks = await oracle.tasks(range(AT_ONCE + 5))
    oracle.may_answer.set()
    assert await asyncio.gather(*tasks) == [2 * number for number in range(AT_ONCE + 5)]
    assert [len(asked) for asked in oracle.asked] == [1, AT_ONCE, 4]


async def test_ask__an_error_is_for_who_asked_for_it() -> None:
    oracle = Oracle()
    tasks = await oracle.tasks([1, 2, -3, 4])
    oracle.may_answer.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, int)] == [2, 4, 8]
    assert isinstance(answers[2], ValueError)
    assert oracle.asked == [[1], [2, -3, 4], [2], [-3], [4]]


async def test_ask__who_has_gone_is_not_asked_for() -> None:
    oracle = Oracle()
    tasks = await oracle.tasks([1, 2, 3])
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.sleep(0)
    oracle.may_answer.set()
    assert await tasks[2] == 6
    assert oracle.asked == [[1], [3]]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_ask__the_end_of_the_loop_leaves_nobody_waiting() -> None:
    oracle = Oracle()
    tasks = await oracle.tasks([1, 2])
    assert oracle.batcher._task is not None
    oracle.batcher._task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
