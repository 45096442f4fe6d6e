"""Demo in one process: Daphne in the main thread, a Celery worker in another thread."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.worker import state as worker_state

from demo.celery import app
from demo.crops.tasks import stopping

logger = logging.getLogger("demo")

STOP_SECONDS = 4.0
"""Seconds that all parts have to end before the process exits."""


def serve(listener: socket.socket, *, ready: Callable[[], None]) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code: 0, or 1 if the worker ended by itself."""
    # Imported here: importing Daphne replaces Twisted's reactor, which must not happen to other commands.
    from daphne.server import Server
    from twisted.internet import reactor as installed

    from demo.asgi import application

    reactor: Any = installed  # its type is an interface of zope, which mypy doesn't know
    worker = _Worker(on_death=lambda: reactor.callFromThread(reactor.stop))

    def begin_to_end() -> None:
        stopping.set()
        # A forced exit loses nothing: crops stop between two slices, and their rows are in the database.
        watchdog = threading.Timer(STOP_SECONDS, os._exit, args=[1 if worker.died else 0])
        watchdog.daemon = True
        watchdog.start()
        worker.stop()

    reactor.addSystemEventTrigger("before", "shutdown", begin_to_end)
    # Daphne's ready_callable would be too early: its signal handlers are not installed by then.
    reactor.callWhenRunning(ready)
    worker.start()
    server = Server(
        application,
        endpoints=[f"fd:fileno={listener.detach()}"],
        application_close_timeout=2,
        verbosity=0,
    )
    server.run()
    worker.wait()
    return 1 if worker.died else 0


class _Worker:
    """Celery worker with two threads."""

    def __init__(self, *, on_death: Callable[[], None]) -> None:
        self.died = False
        self._on_death = on_death
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop to take tasks."""
        worker_state.should_stop = 0

    def wait(self) -> None:
        """Wait for the running tasks. The thread itself looks at ``should_stop`` only every two seconds."""
        while worker_state.active_requests and self._thread.is_alive():
            time.sleep(0.05)

    def _run(self) -> None:
        try:
            app.finalize()
            app.set_default()
            app.WorkController(
                app=app,
                pool="threads",
                concurrency=2,
                without_gossip=True,
                without_heartbeat=True,
                without_mingle=True,
            ).start()
        # Any error: without its worker the site would look well, but do nothing.
        except BaseException:
            logger.exception("The worker failed")
        if not stopping.is_set():
            self.died = True
            self._on_death()
