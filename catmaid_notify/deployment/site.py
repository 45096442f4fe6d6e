"""Values of one site for its configuration files: hosts, folders, servers and their commands."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final, Literal

AsgiServer = Literal["daphne", "uvicorn", "hypercorn"]
WsgiServer = Literal["gunicorn", "uwsgi", "none"]

PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@+*\[\]-]*", re.ASCII)
"""Values that need no quoting in any of the files, whose rules differ. A value must not add a line to a file either."""
NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


class InvalidValue(ValueError):
    """A value can't be written into the files. The text names the field and says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A site and its servers. The defaults are those of the example files in the repository."""

    name: str = "mysite"
    """Name of programs, units, sockets and logs."""
    hosts: tuple[str, ...] = ("mysite.example.org",)
    """Names under which browsers reach the site, the main one first."""
    prefix: str = ""
    """Path of a site in a sub-directory, ``/sub``; empty at the root."""
    listen: str = ""
    """Port, or address and port, of the proxy; empty: 80, or 443 with a certificate."""
    certificate: str = ""
    """File with the TLS certificate; empty: plain HTTP."""
    certificate_key: str = ""
    """File with the certificate's key."""
    balancer: str = ""
    """Address (or network) of a machine in front of this one that ends TLS."""
    directory: str = "/srv/mysite"
    """Folder of the project, from which its modules are imported."""
    python: str = "/srv/mysite/.venv/bin/python"
    """Python of the site's virtual environment."""
    settings: str = "mysite.settings"
    """Settings module."""
    static_url: str = "/static/"
    """Path of the static files; empty: the proxy doesn't serve them."""
    static_root: str = "/srv/mysite/static"
    """Folder of the static files."""
    asgi: str = "mysite.asgi:application"
    """ASGI application."""
    asgi_server: AsgiServer = "daphne"
    """Program that holds the sockets."""
    asgi_processes: int = 2
    """Number of ASGI processes; more than one for each processor core is of no use."""
    asgi_port: int = 0
    """First TCP port of the ASGI processes on 127.0.0.1; 0: unix sockets."""
    wsgi: str = "mysite.wsgi:application"
    """WSGI application."""
    wsgi_server: WsgiServer = "gunicorn"
    """Program that serves the pages; "none": the ASGI server does."""
    wsgi_processes: int = 4
    """Number of WSGI processes."""
    celery: str = "mysite.celery"
    """Module of the Celery application; empty: the site has none."""
    celery_processes: int = 4
    """Number of tasks that run at a time."""
    task_seconds: int = 3600
    """Duration of the longest task in seconds, for which a stopping worker is left running."""
    user: str = "www-data"
    """Account of the processes; that of the proxy, so that the proxy can open their sockets."""
    run: str = "/run/mysite"
    """Folder of the unix sockets."""
    logs: str = "/var/log/supervisor"
    """Folder of the logs."""
    state: str = "/var/lib/mysite"
    """Folder for what must survive a restart."""
    ping_seconds: float = 25
    """``CATMAID_NOTIFY_PING_SECONDS``."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and not PLAIN.fullmatch(text):
                    raise InvalidValue(
                        f"{field.name} is {text!r}, but these files can hold only letters, digits and _./:@+*[]-."
                        " Give another value by the option of that name."
                    )
        if not NAME.fullmatch(self.name):
            raise InvalidValue(f"name is {self.name!r}, but must consist of a-z, 0-9 and _ and begin with a letter.")
        if self.prefix and (not self.prefix.startswith("/") or self.prefix.endswith("/")):
            raise InvalidValue(f"prefix is {self.prefix!r}, but must begin with / and not end with it.")
        if bool(self.certificate) != bool(self.certificate_key):
            raise InvalidValue("certificate and certificate_key belong together: one of them is missing.")
        if min(self.asgi_processes, self.wsgi_processes, self.celery_processes) < 1:
            raise InvalidValue("asgi_processes, wsgi_processes and celery_processes must be 1 or more.")

    @property
    def host(self) -> str:
        """Main host name."""
        return self.hosts[0] if self.hosts else "localhost"

    @property
    def port(self) -> str:
        """Port, or address and port, on which the proxy listens."""
        return self.listen or ("443" if self.certificate else "80")

    @property
    def venv(self) -> str:
        """Folder of the virtual environment's programs."""
        return self.python.rpartition("/")[0]

    @property
    def asgi_instances(self) -> list[int]:
        """Ports of the ASGI processes, or numbers from 0 with unix sockets."""
        return list(range(self.asgi_port, self.asgi_port + self.asgi_processes))

    @property
    def asgi_sockets(self) -> list[str]:
        """Paths of the unix sockets; empty with TCP."""
        return [] if self.asgi_port else [self.asgi_socket(str(number)) for number in self.asgi_instances]

    def asgi_socket(self, instance: str) -> str:
        """Return the path of the unix socket of one process."""
        return f"{self.run}/asgi-{instance}.sock"

    @property
    def wsgi_socket(self) -> str:
        """Path of the unix socket of the WSGI server."""
        return f"{self.run}/{self.wsgi_server}.sock"

    @property
    def read_timeout(self) -> int:
        """Seconds of silence after which the proxy closes a socket; two lost pings are tolerated."""
        return max(60, round(3 * self.ping_seconds))

    @property
    def asgi_backlog(self) -> int:
        """Length of Daphne's accept queue. With its default of 50, a rush of reconnecting pages is refused."""
        return 1024

    @property
    def daphne_deadlines(self) -> str:
        """Daphne's options for pings and handshakes.

        Daphne is to ping only the sockets that the app does not ping. A page's answer to the app counts as activity for
        Daphne, so a longer interval than the app's suffices. A silent socket is closed after 50 seconds in all, as by
        default. Handshakes have 20 seconds instead of 5, since a rush of them on a busy machine would be cut off.
        """
        seconds = max(20, round(1.2 * self.ping_seconds))
        pings = f"--ping-interval {seconds} --ping-timeout {max(10, 50 - seconds)}"
        return f"{pings} --websocket_connect_timeout 20"

    @property
    def ping(self) -> str:
        """Ping interval in seconds, without superfluous zeros."""
        return f"{self.ping_seconds:g}"

    def asgi_command(self, instance: str) -> str:
        """Return the command of one ASGI process; ``instance`` may be a placeholder of the process manager."""
        bind = f"127.0.0.1:{instance}" if self.asgi_port else f"unix:{self.asgi_socket(instance)}"
        address, _, path = bind.partition(":")
        match self.asgi_server:
            case "daphne":
                endpoint = f"tcp:port={path}:interface={address}" if self.asgi_port else f"unix:{path}"
                options = f"-e {endpoint}:backlog={self.asgi_backlog} {self.daphne_deadlines} --proxy-headers"
            case "uvicorn":
                where = f"--host {address} --port {path}" if self.asgi_port else f"--uds {path}"
                # Only the proxy can open the unix socket, so every peer is trusted. Every account of the machine can
                # open a TCP port.
                trusted = "127.0.0.1" if self.asgi_port else "*"
                # Daphne's default: frames of 1 MiB at most. Compressed frames could become larger when unpacked.
                frames = "--ws-max-size 1048576 --ws-per-message-deflate false"
                trust = f"--proxy-headers --forwarded-allow-ips {trusted}"
                options = f"{where} {trust} {frames} --timeout-graceful-shutdown 10"
            case "hypercorn":
                # Protocol pings keep plain sockets open. Hypercorn is the only one that sends none by default.
                options = f"--bind {bind} --websocket-ping-interval 20 --graceful-timeout 10"
        return f"{self.python} -m {self.asgi_server} {options} {self.asgi}"

    @property
    def wsgi_command(self) -> str:
        """Command of the WSGI server."""
        if self.wsgi_server == "uwsgi":
            # --enable-threads: pushes are sent by a thread. The hook: by default SIGTERM reloads, or cuts requests off.
            options = '--master --hook-master-start "unix_signal:15 gracefully_kill_them_all" --vacuum --need-app'
            options += f" --enable-threads --lazy-apps --processes {self.wsgi_processes} --threads 4"
            options += " --worker-reload-mercy 30 --chmod-socket=660 --buffer-size 32768"
            return f"{self.venv}/uwsgi --socket {self.wsgi_socket} {options} --module {self.wsgi}"
        options = f"--bind unix:{self.wsgi_socket} --workers {self.wsgi_processes} --threads 4 --graceful-timeout 30"
        return f"{self.python} -m gunicorn {options} {self.wsgi}"

    @property
    def worker_command(self) -> str:
        """Command of the Celery worker."""
        return f"{self.python} -m celery -A {self.celery} worker --loglevel INFO --concurrency {self.celery_processes}"

    @property
    def beat_command(self) -> str:
        """Command of Celery's scheduler."""
        return f"{self.python} -m celery -A {self.celery} beat --loglevel INFO --schedule {self.state}/celerybeat"
