"""``manage.py demo``: prepares and runs the whole demo."""

from __future__ import annotations

import signal
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from demo.running.prepare import USERS, AlreadyRunning, lock, prepare, warn
from demo.running.sockets import CannotListen, listen
from demo.volumes import StackConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared with what the user asks for


class Command(BaseCommand):
    """Command that prepares and starts everything, and ends it at Ctrl-C."""

    help = "Start the demo: the site and a worker; with AMQP_URL set, on RabbitMQ."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options; see BaseCommand.add_arguments()."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        """Run the demo; see BaseCommand.handle()."""
        # Shells start background jobs with SIGINT ignored. Then only a kill could end the demo.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with listen(host, port) as listener, lock():
                self.run(listener, host)
        except (CannotListen, AlreadyRunning, StackConfigError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            pass  # during the preparation, of which each step can be repeated
        self.stdout.write("\nThe demo has ended.")

    def run(self, listener: socket.socket, host: str) -> None:
        """Prepare the site and serve it."""
        hosts = _allow(host)
        prepare(sys.stdout)
        port = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{'localhost' if host in (*LOOPBACK, *EVERYWHERE) else shown}:{port}/"

        def ready() -> None:
            users = " or ".join(f"{name} (password: {name})" for name in USERS)
            way = "on RabbitMQ, with a worker process" if settings.AMQP_URL else "all in this process"
            self.stdout.write(f"\n  {url}\n  sign in as {users}\n\n  Running {way}. Ctrl-C ends it.\n")
            self.stdout.flush()

        if settings.AMQP_URL:
            from demo.running import processes

            code = processes.serve(listener, ready=ready, hosts=hosts)
        else:
            from demo.running import embedded

            code = embedded.serve(listener, ready=ready)
        if code:
            raise CommandError("The demo ended by itself; see above.", returncode=code)


def _allow(host: str) -> list[str]:
    """Add ``host`` to ALLOWED_HOSTS, and return the names that other machines can use."""
    hosts = [name for name in settings.ALLOWED_HOSTS if name not in (*LOOPBACK, "[::1]")]
    if host not in LOOPBACK:
        warn("everybody who can reach this machine can sign in; the passwords are no secret.")
        hosts += [socket.gethostname(), socket.getfqdn()] if host in EVERYWHERE else [host]
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *hosts]
    return hosts
