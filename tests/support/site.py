"""A Django site of real processes (Daphne, gunicorn, Celery workers, a proxy) with a database and a vhost of its own.

    with Site.of(folder) as site:
        site.serve()                                # or site.daphne(), site.gunicorn() one by one
        ann = site.user("ann")
        site.run("api.notify_user(user, title)", user=ann, title="Hello")

Everything that it starts is ended, and its database and its vhost are removed, when the block is left. The folder keeps
the output of each process (``<name>.log``).
"""

from __future__ import annotations

import contextlib
import getpass
import json
import pprint
import secrets
import select
import ssl
import subprocess
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any, Self

from catmaid_notify.deployment import site as deployment
from tests.support import postgresql, process, rabbitmq, servers, sockets
from tests.support.ports import free_port
from tests.support.process import PYTHON, ROOT, Process
from tests.support.proxy import proxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from email.message import Message
    from pathlib import Path

    from tests.support.rabbitmq import Vhost

PASSWORD = "a password of the tests"
POLL_SECONDS = 2
"""Seconds between two polls of pages, at sites where tests wait for one."""
LAYERS = {
    "catmaid_notify": "catmaid_notify.layers.RabbitmqChannelLayer",
    "channels_rabbitmq": "channels_rabbitmq.core.RabbitmqChannelLayer",
}
PRELUDE = """\
from django.contrib.auth import get_user_model
from django.db import transaction
from catmaid_notify import api
from catmaid_notify.models import Message
"""
"""Imports for code in `Site.run`."""


templates: dict[str, str] = {}
"""Migrated PostgreSQL databases, by project."""


def unique(name: str) -> str:
    """Return a user name that begins so, and that no other test on a shared site has."""
    return f"{name}-{secrets.token_hex(4)}"


class ConsoleError(AssertionError):
    """The code given to `Site.run` raised. The text is the traceback in the other process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user with a session."""

    pk: Any
    name: str
    cookie: str
    """Cookie of the session, as ``name=value``."""
    csrf_cookie: str
    """Cookie of the CSRF token, as ``name=value``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Response of a server."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Site:
    """Site of real processes. ``project`` is the package with ``settings``, ``asgi`` and ``wsgi``."""

    folder: Path
    env: dict[str, str]
    """Environment variables of all processes, in addition to those of the tests."""
    vhost: Vhost | None = None
    """Vhost of the site; ``None`` without RabbitMQ."""
    database: str = ""
    """Name of the PostgreSQL database; empty with SQLite."""
    project: str = "tests"
    celery: str = "tests.celery_app"
    port: int = 0
    """Port of the site for browsers: the proxy's, or Daphne's without a proxy."""
    prefix: str = ""
    """Path of a site in a sub-directory, ``/sub``."""
    certificate: Path | None = None
    """Certificate of a site with TLS."""
    host: str = "127.0.0.1"
    """Host name for browsers. A browser must be told where other names are."""
    daphne_port: int = field(default_factory=free_port)
    gunicorn_port: int = field(default_factory=free_port)
    processes: dict[str, Process] = field(default_factory=dict)
    """Process that `start` has started last, by name."""
    _console: subprocess.Popen[str] | None = None
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    @contextlib.contextmanager
    def of(
        cls,
        folder: Path,
        *,
        project: str = "tests",
        celery: str = "",
        broker: bool = True,
        database: str = "postgresql",
        layer: str = "catmaid_notify",
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Iterator[Self]:
        """Create a site with a migrated database and without any process.

        Args:
            folder: place for settings and logs.
            project: package of the Django project.
            celery: module of its Celery application; empty: the project's usual one.
            broker: true for a vhost of RabbitMQ, false for the memory of each process.
            database: "postgresql" or "sqlite".
            layer: "catmaid_notify" or "channels_rabbitmq".
            settings: values that differ from ``<project>.settings``, as literals.
            env: environment variables of all processes.
        """
        with contextlib.ExitStack() as stack:
            vhost = stack.enter_context(rabbitmq.vhost()) if broker else None
            # Migrating takes more than a second, and most sites of a run have the same tables.
            shared = database == "postgresql" and "INSTALLED_APPS" not in (settings or {})
            template = templates.get(project) if shared else None
            name = stack.enter_context(postgresql.database(template or "template1")) if database == "postgresql" else ""
            stack.enter_context(process.all_stopped())
            site = cls(
                folder=folder,
                env={"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": f"{folder}:{ROOT}", **(env or {})},
                vhost=vhost,
                database=name,
                project=project,
                celery=celery or ("tests.celery_app" if project == "tests" else f"{project}.celery"),
                _cleanup=stack,
            )
            site.configure(layer, settings or {})
            if template is None:
                site.manage("migrate", "--verbosity=0")
                if shared:
                    templates[project] = postgresql.keep_as_template(name)
            yield site

    def configure(self, layer: str, settings: Mapping[str, Any]) -> None:
        """Write ``site_settings.py``: the project's settings, this site's servers over them, ``settings`` over both."""
        values: dict[str, Any] = {"DATABASES": {"default": self._database_settings()}}
        if self.vhost:
            config = {"host": self.vhost.url}
            values["CHANNEL_LAYERS"] = {"default": {"BACKEND": LAYERS[layer], "CONFIG": config}}
            values["CELERY_BROKER_URL"] = self.vhost.url
        values |= settings
        lines = [f"{name} = {pprint.pformat(value)}" for name, value in values.items()]
        text = "\n".join([f"from {self.project}.settings import *  # noqa: F403", *lines]) + "\n"
        (self.folder / "site_settings.py").write_text(text)

    def _database_settings(self) -> dict[str, Any]:
        if self.database:
            return postgresql.django_settings(self.database)
        # Wait for the lock at the begin of a transaction, instead of failing later in the transaction.
        options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.folder / "site.sqlite3"), "OPTIONS": options}

    # -- Processes

    def start(self, name: str, *command: str | Path, env: Mapping[str, str] | None = None) -> Process:
        """Start a command in the site's environment; ``name`` is that of its log."""
        self.processes[name] = Process(name, command, folder=self.folder, env={**self.env, **(env or {})})
        return self.processes[name]

    def daphne(self, *options: str) -> Process:
        """Start Daphne on ``daphne_port``, and return when it listens. A restart uses the same port."""
        port = str(self.daphne_port)
        # By -m, so that Daphne runs in this environment and not in the one of a script's first line.
        where = f"tcp:port={port}:interface=127.0.0.1:backlog=1024"
        as_printed = ["-e", where, *deployment.Site().daphne_deadlines.split()]  # as `notify_config` prints them
        command = [PYTHON, "-m", "daphne", *as_printed, *options, f"{self.project}.asgi:application"]
        server = self.start("daphne", *command)
        server.wait_for_port(self.daphne_port)
        self.port = self.port or self.daphne_port
        return server

    def uvicorn(self, *options: str) -> Process:
        """Start uvicorn on Daphne's port."""
        port = str(self.daphne_port)
        command = [PYTHON, "-m", "uvicorn", "--host=127.0.0.1", f"--port={port}", *options]
        server = self.start("uvicorn", *command, f"{self.project}.asgi:application")
        server.wait_for_port(self.daphne_port)
        self.port = self.port or self.daphne_port
        return server

    def gunicorn(self) -> Process:
        """Start a WSGI server on ``gunicorn_port``, and return when it listens."""
        options = ["-b", f"127.0.0.1:{self.gunicorn_port}", "--workers=1", "--threads=4", "--graceful-timeout=2"]
        options.append("--no-control-socket")  # by default it is in the home folder, which all runs share
        server = self.start("gunicorn", PYTHON, "-m", "gunicorn", *options, f"{self.project}.wsgi:application")
        server.wait_for_port(self.gunicorn_port)
        return server

    def worker(self, name: str = "worker", *options: str) -> Process:
        """Start a Celery worker (prefork, two processes), and return when it is ready."""
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO", "--concurrency=2"]
        command = [PYTHON, "-m", "celery", "-A", self.celery, "worker", f"--hostname={name}@tests", *quiet, *options]
        worker = self.start(name, *command)
        worker.wait_for(rf"{name}@tests ready", timeout=30)
        return worker

    def config(self, kind: str, *files: str, **options: Any) -> str:
        """Return the output of `manage.py notify_config` for this site; ``options`` are those of the command."""
        self.port = self.port or free_port()
        for name in ("run", "logs"):
            (self.folder / name).mkdir(exist_ok=True)
        values: dict[str, Any] = {
            "run": self.folder / "run",
            "logs": self.folder / "logs",
            "state": self.folder,
            "user": getpass.getuser(),
            "celery": self.celery,
            "hosts": "127.0.0.1",
            "listen": f"127.0.0.1:{self.port}",
            "asgi_processes": 1,
            "wsgi_processes": 1,
            "celery_processes": 2,
            "static_root": ROOT / "catmaid_notify" / "static",
            **options,
        }
        given = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
        return self.manage("notify_config", kind, *files, *given)

    def nginx(self, text: str, *, main: str = "") -> Process:
        """Start nginx on ``port`` with ``text`` in its http block; ``main`` is for the main context."""
        self.port = self.port or free_port()
        return servers.nginx(self.folder, text, main=main, port=self.port)

    def apache(self, text: str, *modules: str) -> Process:
        """Start Apache on ``port`` with ``text`` and these modules."""
        self.port = self.port or free_port()
        return servers.apache(self.folder, text, modules=modules, port=self.port)

    def supervisor(self, text: str, *, handles: int = 1024) -> servers.Supervisor:
        """Start supervisord with the programs of ``text``, without waiting for them.

        ``handles`` is the number of files that it may open at its start; Debian's is 1024.
        """
        self.env.setdefault("GUNICORN_CMD_ARGS", "--no-control-socket")  # its default is shared, in the home folder
        supervisor = servers.Supervisor(self.folder, text, env=self.env, handles=handles)
        self._cleanup.callback(supervisor.kill)
        return supervisor

    def proxy(self) -> int:
        """Start a reverse proxy, /channels/ to Daphne and the rest to gunicorn; return its port, that of the site."""
        self.port = self._cleanup.enter_context(
            proxy(lambda path: self.daphne_port if path.startswith("/channels/") else self.gunicorn_port)
        )
        return self.port

    def serve(self) -> tuple[Process, Process]:
        """Start gunicorn and Daphne behind a proxy, like a real site; return (gunicorn, daphne)."""
        self.proxy()
        return self.gunicorn(), self.daphne()

    # -- Django

    def manage(self, *arguments: str, timeout: float = 60) -> str:
        """Run a management command of the site, and return its output; raise if it fails."""
        done = subprocess.run(
            [PYTHON, "-m", "django", *arguments],
            cwd=ROOT,
            env={**process.environment(), **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, code: str, *, timeout: float = 30, **values: Any) -> Any:
        """Run code in another Django process of the site, and return its variable ``result`` (as JSON has it).

        ``values`` become variables; ``api``, ``Message``, ``get_user_model`` and ``transaction`` are imported. One
        process serves all calls, so a call is quick, and messages are pushed while the test goes on.
        """
        console = self._console or self._open_console()
        assert console.stdin is not None
        assert console.stdout is not None
        plain = {name: value.pk if isinstance(value, User) else value for name, value in values.items()}
        console.stdin.write(json.dumps({"code": PRELUDE + code, "values": plain}) + "\n")
        console.stdin.flush()
        ready, _, _ = select.select([console.stdout], [], [], timeout)
        if not ready:
            self._close_console()
            raise ConsoleError(f"No answer in {timeout} s to:\n{code}")
        line = console.stdout.readline()
        answer = json.loads(line) if line else {"error": f"the console has ended; see {self.folder / 'console.log'}"}
        if "error" in answer:
            raise ConsoleError(answer["error"])
        return answer["result"]

    def _open_console(self) -> subprocess.Popen[str]:
        log = self._cleanup.enter_context((self.folder / "console.log").open("a"))
        self._console = subprocess.Popen(
            [PYTHON, "-m", "tests.support.console", self.celery],
            cwd=ROOT,
            env={**process.environment(), **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._cleanup.callback(self._close_console)
        return self._console

    def _close_console(self) -> None:
        console, self._console = self._console, None
        if console is None:
            return
        assert console.stdin is not None
        console.stdin.close()
        try:
            console.wait(5)
        except subprocess.TimeoutExpired:
            console.kill()
            console.wait()
        assert console.stdout is not None
        console.stdout.close()

    def user(self, name: str, **fields: Any) -> User:
        """Create a user (password: `PASSWORD`) with a session. ``fields`` are those of the model: ``is_staff=True``."""
        code = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import get_random_string
user = get_user_model().objects.create_user(name, password=password, **fields)
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
result = {
    "pk": user.pk,
    "cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}",
    "csrf_cookie": f"{settings.CSRF_COOKIE_NAME}={get_random_string(32)}",
}
"""
        return User(name=name, **self.run(code, name=name, password=PASSWORD, fields=fields))

    # -- Clients

    @property
    def url(self) -> str:
        """Origin of the site, ``http://127.0.0.1:<port>``."""
        return f"{'https' if self.certificate else 'http'}://{self.host}:{self.port}"

    @property
    def _tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None

    def socket(self, user: User | None, **options: Any) -> AbstractContextManager[sockets.Client]:
        """Open a WebSocket to ``channels/updates/`` as that user; ``options`` are those of `sockets.socket`."""
        given: dict[str, Any] = {"origin": self.url, "cookie": user.cookie if user else "", **options}
        if self.certificate:
            given["ssl"] = self._tls
        return sockets.socket(f"{self.url.replace('http', 'ws', 1)}{self.prefix}/channels/updates/", **given)

    def fetch(
        self,
        path: str,
        user: User | None = None,
        *,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request as that user, without following redirects. ``data`` is sent as JSON, with the CSRF token."""
        given: dict[str, str] = {}
        if user:
            given["Cookie"] = f"{user.cookie}; {user.csrf_cookie}"
            given["X-CSRFToken"] = user.csrf_cookie.partition("=")[2]
        body = None
        if data is not None:
            body, given["Content-Type"] = json.dumps(data).encode(), "application/json"
        connection: HTTPConnection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        if self.certificate:
            connection = HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self._tls)
            given["Referer"] = f"{self.url}/"  # Django requires it with TLS
        try:
            connection.request(method, self.prefix + path, body=body, headers={**given, **(headers or {})})
            response = connection.getresponse()
            return Answer(status=response.status, headers=response.headers, body=response.read())
        finally:
            connection.close()
