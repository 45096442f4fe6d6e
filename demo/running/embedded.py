"""Everything in one process: Daphne in the main thread, a Celery worker in another one."""

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
"""How long everything may take to end before it is cut off."""


def serve(listener: socket.socket, *, ready: Callable[[], None]) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code: 0, or 1 when the worker ended by itself."""
    # Here, not above: Daphne replaces Twisted's reactor when it is imported, which no other command should do.
    from daphne.server import Server
    from twisted.internet import reactor as installed

    from demo.asgi import application

    reactor: Any = installed  # its type is an interface of zope, which mypy doesn't know
    worker = _Worker(on_death=lambda: reactor.callFromThread(reactor.stop))

    def begin_to_end() -> None:
        stopping.set()
        # Nothing is lost by cutting it off: crops stop between two slices, and rows are in the database.
        watchdog = threading.Timer(STOP_SECONDS, os._exit, args=[1 if worker.died else 0])
        watchdog.daemon = True
        watchdog.start()
        worker.stop()

    reactor.addSystemEventTrigger("before", "shutdown", begin_to_end)
    # Not Daphne's own ready_callable: that comes before the handlers of the signals are in place.
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
    """A Celery worker with two threads."""

    def __init__(self, *, on_death: Callable[[], None]) -> None:
        self.died = False
        self._on_death = on_death
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it take no more tasks."""
        worker_state.should_stop = 0

    def wait(self) -> None:
        """Wait for the tasks under way. Not for the thread: it looks at ``should_stop`` every two seconds only."""
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
        # Whatever it is: the site without its worker would look well and do nothing.
        except BaseException:
            logger.exception("The worker failed")
        if not stopping.is_set():
            self.died = True
            self._on_death()
