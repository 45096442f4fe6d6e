"""``python -m faults.transactions <method> <journal folder> <run> <rounds> <users…>``: messages in transactions."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import django
from django.db import connection, transaction

from faults.journal import Journal

OPEN_SECONDS = 2.0
"""Seconds for which a transaction stays open, so that a push before its commit would be noticed."""


class Planned(Exception):
    """Intended error that rolls a transaction back."""


class Transactions:
    """Transactions that end in different ways. The journal says which messages count."""

    def __init__(self, journal: Journal, run: str, users: list[int]) -> None:
        self._journal = journal
        self._run = run
        self._users = users
        self._sequence = 0

    def _create(self) -> tuple[str, int]:
        from catmaid_notify import api

        self._sequence += 1
        user = self._users[self._sequence % len(self._users)]
        number = f"{self._run}.transactions.{self._sequence}"
        self._journal.write("attempt", number, user)
        api.notify_user(user, number)
        return number, user

    def _note(self, kind: Any, *messages: tuple[str, int]) -> None:
        for number, user in messages:
            self._journal.write(kind, number, user)

    def rollbacks(self) -> None:
        """Run a commit, a rollback, a savepoint's rollback, nested blocks, and a view under ATOMIC_REQUESTS."""
        with transaction.atomic():
            outer = self._create()
            time.sleep(OPEN_SECONDS)
            self._note("acked", outer)
        try:
            with transaction.atomic():
                self._note("void", self._create())
                time.sleep(OPEN_SECONDS / 4)
                raise Planned
        except Planned:
            pass
        with transaction.atomic():
            outer = self._create()
            try:
                with transaction.atomic():
                    self._note("void", self._create())
                    raise Planned
            except Planned:
                pass
            by_hand = transaction.savepoint()
            self._note("void", self._create())
            transaction.savepoint_rollback(by_hand)
            with transaction.atomic():
                inner = self._create()
            time.sleep(OPEN_SECONDS / 4)
            self._note("acked", outer, inner)
        self._requests()

    def _requests(self) -> None:
        """Run two requests as Django's handler does with ATOMIC_REQUESTS; the view raises at its end in one of them."""
        from django.core.handlers.base import BaseHandler
        from django.http import HttpRequest, HttpResponse

        def view(_request: HttpRequest, *, fails: bool) -> HttpResponse:
            message = self._create()
            if fails:
                self._note("void", message)
                raise Planned
            self._note("acked", message)
            return HttpResponse()

        connection.settings_dict["ATOMIC_REQUESTS"] = True
        atomic_view = BaseHandler().make_view_atomic(view)
        atomic_view(HttpRequest(), fails=False)
        try:
            atomic_view(HttpRequest(), fails=True)
        except Planned:
            pass

    def crossed(self) -> None:
        """Let the first of two transactions commit last, and lose both pushes: ids become visible out of order."""
        from catmaid_notify import push

        first_is_written, second_is_committed = threading.Event(), threading.Event()

        def first() -> None:
            with transaction.atomic():
                message = self._create()
                first_is_written.set()
                second_is_committed.wait()
                time.sleep(OPEN_SECONDS)
            self._note("acked", message)
            connection.close()

        transport = push.transport
        push.transport = lambda: lambda group, message: None
        try:
            slow = threading.Thread(target=first)
            slow.start()
            first_is_written.wait()
            second = self._create()
            self._note("acked", second)
            second_is_committed.set()
            slow.join()
        finally:
            push.transport = transport


def main(arguments: list[str]) -> None:
    what, folder, run, rounds, *users = arguments
    django.setup()
    from faults.producing import create

    journal, pks = Journal(Path(folder), what), [int(user) for user in users]
    if what == "burst":
        for sequence in range(int(rounds)):
            create(journal, f"{run}.burst.{sequence}", pks[sequence % len(pks)])
        return
    transactions = Transactions(journal, run, pks)
    for _ in range(int(rounds)):
        getattr(transactions, what)()


if __name__ == "__main__":
    main(sys.argv[1:])
