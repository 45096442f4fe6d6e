"""Consuming without a task for each message.

aiormq starts an asyncio task for each delivery, which costs more than all that we do with one. Its channels look their
consumers up in a dictionary and hand what a consumer returns to ``create_task``; so a consumer that does its work in
the call, and a ``create_task`` that knows what it returns, need no task. Where aiormq changes inside, the usual way
remains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiormq.abc import AbstractChannel, DeliveredMessage


class _Done:
    """Stands for a task that has ended already."""

    def add_done_callback(self, callback: object) -> None:
        """Nothing is left to be reported."""


DONE: Final = _Done()


async def consume(channel: AbstractChannel, queue: str, on_delivery: Callable[[DeliveredMessage], None]) -> None:
    """Consume ``queue`` without acknowledgements, calling ``on_delivery`` (which must not raise) for each message."""

    async def as_task(delivered: DeliveredMessage) -> None:
        on_delivery(delivered)

    def inline(delivered: DeliveredMessage) -> _Done:
        on_delivery(delivered)
        return DONE

    consumed = await channel.basic_consume(queue, as_task, no_ack=True)
    consumers: Any = getattr(channel, "consumers", None)
    create_task: Any = getattr(channel, "create_task", None)
    if not isinstance(consumers, dict) or consumed.consumer_tag not in consumers or create_task is None:
        return

    def create(work: Any) -> Any:
        return work if work is DONE else create_task(work)

    try:
        vars(channel)["create_task"] = create
    except TypeError:  # no instance dictionary
        return
    consumers[consumed.consumer_tag] = inline
