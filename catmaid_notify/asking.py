"""Puts the questions of many sockets together: after a restart all pages come at once, and want what they followed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Final, NamedTuple

from catmaid_notify import background, permissions
from catmaid_notify.topics import Topic

QUESTIONS_AT_ONCE: Final = 500
WORKERS: Final = 2
"""Rounds of questions under way at the same time, so that one slow answer does not delay all others."""


class _Question(NamedTuple):
    pk: Any
    topics: list[Topic]
    answer: asyncio.Future[set[Topic]]


class Asker:
    """Asks the site who may follow what. All methods belong to one loop."""

    def __init__(self) -> None:
        self._questions: list[_Question] = []
        self._workers: set[asyncio.Task[None]] = set()

    async def followable(self, pk: Any, topics: list[Topic]) -> set[Topic]:
        """Return those of the topics that a user may follow.

        Raises:
            django.db.Error: what the database says.
        """
        if not topics:
            return set()
        loop = asyncio.get_running_loop()
        question = _Question(pk, topics, loop.create_future())
        self._questions.append(question)
        if len(self._workers) < WORKERS:
            worker = loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await question.answer

    async def _work(self) -> None:
        while self._questions:
            questions, self._questions = (
                self._questions[:QUESTIONS_AT_ONCE],
                self._questions[QUESTIONS_AT_ONCE:],
            )
            pks: dict[Topic, set[Any]] = defaultdict(set)
            for question in questions:
                for topic in question.topics:
                    pks[topic].add(question.pk)
            try:
                asked = [(topic, list(who)) for topic, who in pks.items()]
                answers = await background.ask_for_page(permissions.followers_among, asked)
            except Exception as error:  # noqa: BLE001 - it belongs to who has asked
                for question in questions:
                    if not question.answer.done():
                        question.answer.set_exception(error)
                continue
            allowed = dict(zip(pks, answers, strict=True))
            for question in questions:
                if not question.answer.done():  # whoever has gone meanwhile wants none
                    question.answer.set_result({topic for topic in question.topics if question.pk in allowed[topic]})
