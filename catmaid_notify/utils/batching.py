"""Questions that come while one is being answered are then asked together: many pages at once cost few queries.

Nobody waits for others to come, and a question that can't be answered harms no other. Knows nothing of the app.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

AT_ONCE = 100
"""Questions that are asked together at most, so that the first one doesn't wait for the work on a thousand."""


class Batcher(Generic[Q, A]):
    """Asks ``ask``, which answers several questions in their order. Belongs to one loop."""

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._ask = ask
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer, or raise what ``ask`` raises for this question alone."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, answer))
        if self._task is None:
            # In a context of its own, since that of the first one who asks may end before.
            self._task = loop.create_task(self._work(), context=contextvars.Context())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), AT_ONCE)
                taken = [self._waiting.popleft() for _ in range(count)]
                await self._answer([one for one in taken if not one[1].done()])  # who is done has gone away
        finally:
            self._task = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting.clear()

    async def _answer(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 - it is for whoever has asked
            await self._answer_failed(asked, error)
            return
        except asyncio.CancelledError:
            for _, answer in asked:
                answer.cancel()
            raise
        for (_, answer), given in zip(asked, answers, strict=True):
            if not answer.done():
                answer.set_result(given)

    async def _answer_failed(self, asked: Sequence[tuple[Q, asyncio.Future[A]]], error: Exception) -> None:
        """Ask for each alone: one of them may be at fault."""
        if len(asked) > 1:
            for one in asked:
                await self._answer([one])
        elif asked and not asked[0][1].done():
            asked[0][1].set_exception(error)
