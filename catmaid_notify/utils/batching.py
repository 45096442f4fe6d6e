"""Batching of concurrent look-ups: those that arrive while a query runs share the next query.

The first look-up starts at once, without waiting for others. A look-up that fails does not fail the others.
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
"""Questions in one batch; in a larger one, the first would wait for the work on all of them."""


class Batcher(Generic[Q, A]):
    """Coalesces concurrent questions into batched calls of ``ask``. Belongs to one event loop.

    ``ask`` takes several questions and returns their answers in the same order.
    """

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._ask = ask
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer to one question.

        Raises:
            Exception: the error of ``ask`` for this question.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, answer))
        if self._task is None:
            # An empty context: the batch outlives the request that starts it, and must not see its context variables.
            self._task = loop.create_task(self._work(), context=contextvars.Context())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), AT_ONCE)
                taken = [self._waiting.popleft() for _ in range(count)]
                await self._answer([one for one in taken if not one[1].done()])  # done: its caller was cancelled
        finally:
            self._task = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting.clear()

    async def _answer(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001 - passed on to the callers
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
        """Ask each question alone: a single one may have caused the error."""
        if len(asked) > 1:
            for one in asked:
                await self._answer([one])
        elif asked and not asked[0][1].done():
            asked[0][1].set_exception(error)
