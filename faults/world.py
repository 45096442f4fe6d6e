"""Complete installation, started once for many faults: all servers, a worker, producers and viewers.

Clients reach nginx through a proxy that can swallow bytes, so that the network between them can fail, too.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from bench.proc import rss_bytes
from faults import fetching
from faults.checker import AT_ONCE_SECONDS, Verdict, came_at_once, check
from faults.client import Client
from faults.ending import to_thread
from faults.journal import Entry, Reader
from faults.nginx import Nginx
from faults.producing import Orders
from faults.tabs import Tabs, chromium
from faults.timings import SHORT_SETTINGS, deadline, timings
from tests.support.broker import Broker, broker, cluster
from tests.support.process import PYTHON, Process
from tests.support.site import Site, User
from tests.support.swallow import Swallower, swallower

T = TypeVar("T")
SETTLE_SECONDS, SETTLE_SECONDS_SHORT = 120, 60
LIVE_SECONDS, LIVE_SECONDS_SHORT = 400, 120
"""Seconds within which every client has a socket again, whatever has happened."""
QUIET_SECONDS, QUIET_SECONDS_SHORT = 3.0, 1.0
"""Seconds of waiting after everything was shown, to catch duplicates."""
LOOK_SECONDS = 0.3

CLUSTER_CONFIG = "cluster_partition_handling = pause_minority"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Numbers of users and viewers, and the load."""

    users: int = 15
    clients: int = 50
    browsers: int = 2
    tabs: int = 3
    rate: float = 10
    """Messages a second, of all producers together."""


FULL = Size()
SMALL = Size(users=5, clients=10, browsers=1, tabs=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Parameters of a run."""

    seed: int
    size: Size = FULL
    short: bool = False
    """Use short timings on both sides, and faults that take seconds."""
    nodes: int = 1
    """Number of broker nodes."""
    soak_seconds: float = 180


class World:
    """Installation to which faults happen. Its methods must be called from the event loop only."""

    def __init__(
        self,
        site: Site,
        nodes: list[Broker],
        vhost: str,
        links: tuple[Swallower, Swallower],
        plan: Plan,
    ) -> None:
        self.site = site
        self.nodes = nodes
        self.broker = nodes[0]
        self.vhost = vhost
        self.link, self.other_link = links
        """Proxies between the clients and nginx: one for the tabs and half of the clients, one for the others."""
        self.nginx = Nginx(site, wait="2500ms" if plan.short else "12s")
        self.size = plan.size
        self.seed = plan.seed
        self.short = plan.short
        self.soak_seconds = plan.soak_seconds
        self.random = random.Random(f"{plan.seed} world")
        self.timings = timings(short=plan.short)
        self.users: list[User] = []
        self.clients: list[Client] = []
        self.tabs: Tabs | None = None
        self.entries: list[Entry] = []
        self.phases: list[tuple[float, str]] = []
        self.run = ""
        self._rate = plan.size.rate
        self.daphne: Process
        self.gunicorn: Process
        self.worker: Process | None = None
        self.script: Process
        self.control = site.folder / "orders.json"
        self.journal = Path(site.env["FAULTS_JOURNAL"])
        self._reader = Reader(self.journal)
        self._workers = 0
        self._named = 0
        self._web: asyncio.Task[None] | None = None
        self._console = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path, plan: Plan) -> AsyncIterator[Self]:
        """Start everything; all of it ends when the block is left."""
        async with AsyncExitStack() as stack:
            nodes = await _brokers(stack, _made(folder / "broker"), plan.nodes)
            vhost = await to_thread(nodes[-1].vhost)
            values = _settings([node.url + vhost for node in nodes], short=plan.short)
            env = {"FAULTS_JOURNAL": str(folder / "journal")}
            site = await _entered(stack, Site.of(_made(folder / "site"), broker=False, settings=values, env=env))
            _made(folder / "journal")
            links = [await stack.enter_async_context(swallower(0)) for _ in range(2)]
            world = cls(site, nodes, vhost, (links[0], links[1]), plan)
            stack.push_async_callback(world._end)
            await world._start(stack)
            yield world

    async def _start(self, stack: AsyncExitStack) -> None:
        self.nginx.configure()
        self.link.to_port = self.other_link.to_port = self.nginx.port
        self.order("")
        self.gunicorn = await to_thread(self.site.gunicorn)
        await self.start_daphne()
        await to_thread(self.nginx.start)
        self.site.port = self.link.port
        self.users = [await to_thread(self.site.user, f"user{n}") for n in range(self.size.users)]
        await self.start_worker()
        script: list[str | Path] = [PYTHON, "-m", "faults.producing", self.control, self.journal, str(self.seed)]
        self.script = await to_thread(self.site.start, "script", *script)
        self._web = asyncio.ensure_future(self._produce_forever())
        self.add_clients(self.size.clients)
        if self.size.browsers:
            browser = await stack.enter_async_context(chromium())
            self.tabs = Tabs(browser, self.link.port, self._tab_tells, short=self.short)
            for number, user in zip(range(self.size.browsers), self.users, strict=False):
                await self.tabs.open(f"browser{number}", user, self.size.tabs)
        if await self.all_live(60) > 60:
            raise RuntimeError(f"Not all clients are live: {[client.state for client in self.clients]}")

    async def _end(self) -> None:
        if self._web:
            self._web.cancel()
        await asyncio.gather(*[client.stop() for client in self.clients])
        lines = [json.dumps(asdict(entry)) for entry in self.entries if entry.viewer]
        await to_thread((self.site.folder / "viewers.jsonl").write_text, "\n".join(lines))

    # -- Processes

    async def start_daphne(self, *, settings: str = "", **env: str) -> None:
        """Start Daphne on its usual port, with an additional line of settings or additional environment variables."""
        before = dict(self.site.env)
        if settings:
            (self.site.folder / "daphne_settings.py").write_text(
                f"from site_settings import *  # noqa: F403\n{settings}\n"
            )
            env["DJANGO_SETTINGS_MODULE"] = "daphne_settings"
        self.site.env.update(env)
        try:
            self.daphne = await to_thread(self.site.daphne)
        finally:
            self.site.env.clear()
            self.site.env.update(before)

    async def start_uvicorn(self) -> None:
        """Start uvicorn on Daphne's port."""
        self.daphne = await to_thread(self.site.uvicorn)

    async def repair(self) -> None:
        """Restart the processes that a failed fault has left dead."""
        if self.gunicorn.exit_code is not None:
            self.gunicorn = await to_thread(self.site.gunicorn)
        if self.daphne.exit_code is not None:
            await self.start_daphne()
        if self.nginx.process and self.nginx.process.exit_code is not None:
            await to_thread(self.nginx.start)
        if self.worker is None or self.worker.exit_code is not None:
            await self.start_worker()

    async def start_worker(self, *, waits: bool = True) -> None:
        """Start a Celery worker, and give it the task that makes it a producer."""
        self._workers += 1
        self.order("")
        name = f"worker{self._workers}"
        if waits:
            self.worker = await to_thread(self.site.worker, name)
            await self.employ()
        else:
            options = ["worker", f"--hostname={name}@tests", "--loglevel=INFO", "--concurrency=2", "--without-gossip"]
            command = [PYTHON, "-m", "celery", "-A", self.site.celery, *options]
            self.worker = await to_thread(self.site.start, name, *command)

    async def employ(self) -> None:
        """Send the worker the task that makes it a producer."""
        code = "from faults.tasks import produce_here; produce_here.delay(control, folder, seed, worker); result = 1"
        values: dict[str, Any] = {
            "control": str(self.control),
            "folder": str(self.journal),
            "seed": self.seed,
            "worker": self._workers,
        }
        await self.console(self.site.run, code, **values)

    def pids(self, process: Process) -> list[int]:
        """Return the ids of the process and its children."""
        return _group(process.pid)

    def amqp_url(self, port: int) -> str:
        """Return the broker's URL with another port."""
        return f"amqp://guest:guest@127.0.0.1:{port}/{self.vhost}"

    @asynccontextmanager
    async def broker_behind_link(self) -> AsyncIterator[Swallower]:
        """Start a proxy that can swallow bytes in front of the broker. No process uses it yet."""
        async with swallower(self.broker.port) as link:
            yield link

    async def console(self, call: Callable[..., T], *arguments: Any, **values: Any) -> T:
        """Call a method of the site that uses its console; the lock admits one call at a time."""
        async with self._console:
            return await to_thread(call, *arguments, **values)

    # -- Load

    def order(self, run: str, *, share: float = 1) -> None:
        """Order the producers to create messages of a run, at a share of the usual rate. An empty run stops them."""
        self._rate = self.size.rate * share
        orders = Orders(
            run=run,
            users=[user.pk for user in self.users],
            rate=self._rate / 3,
            worker=self._workers,
        )
        orders.write(self.control)
        self.run = run

    async def _produce_forever(self) -> None:
        chance, sequence = random.Random(f"{self.seed} web"), 0
        tasks: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * 3 / self._rate)
            if not self.run:
                continue
            sequence += 1
            path = f"/faults/produce/{self.run}.web.{sequence}/{chance.choice(self.users).pk}/"
            task = asyncio.ensure_future(self._request(path))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _request(self, path: str) -> None:
        with suppress(OSError, TimeoutError, EOFError, ValueError):
            await fetching.get(self.site.gunicorn_port, path, seconds=60)

    # -- Viewers

    def add_clients(self, count: int, *, port: int = 0, users: list[User] | None = None) -> list[Client]:
        """Start ``count`` protocol clients, spread over the users."""
        owners = users or self.users
        added = []
        for _ in range(count):
            number, self._named = self._named, self._named + 1
            user, name = owners[number % len(owners)], f"client{number}"
            self.note("joined", viewer=name, user=user.pk)
            added.append(
                Client(
                    name,
                    port=port or (self.link, self.other_link)[number % 2].port,
                    cookie=user.cookie,
                    timings=self.timings,
                    shown=self._teller("shown", name),
                    changed=lambda state, name=name: self.note("state", viewer=name, note=state),  # type: ignore[misc]
                    seed=(self.seed, number),
                )
            )
            self.clients.append(added[-1])
            added[-1].start()
        return added

    async def remove_clients(self, clients: list[Client]) -> None:
        """Stop these clients, as if their tabs were closed."""
        for client in clients:
            self.note("left", viewer=client.name)
            self.clients.remove(client)
        await asyncio.gather(*[client.stop() for client in clients])

    def _teller(self, kind: Any, viewer: str) -> Callable[[str, str], None]:
        return lambda number, via: self.note(kind, number=number, viewer=viewer, note=via)

    def _tab_tells(self, tab: str, told: dict[str, Any]) -> None:
        user = int(told["user"] or 0)
        viewer = f"{tab}@{told['load']}/{user}"
        self.note(told["kind"], number=told["text"], viewer=viewer, note=told["note"], user=user)

    def tabs_live(self, browser: str) -> set[str]:
        """Return the viewers in a browser's tabs that have reported a socket of their own."""
        states: dict[str, str] = {}
        for one in self.entries:
            if one.viewer.startswith(f"{browser}.") and one.kind in ("state", "left"):
                states[one.viewer] = one.note
        return {viewer for viewer, state in states.items() if state == "live"}

    def left_state(self, viewer: str, since: float) -> float:
        """Return the first time after ``since`` at which a viewer changed its state, or infinity."""
        changes = (one.at for one in self.entries if one.kind == "state" and one.viewer == viewer and one.at > since)
        return min(changes, default=float("inf"))

    def viewers(self) -> set[str]:
        """Return the names of all clients and tabs."""
        found: set[str] = set()
        for one in self.entries:
            if one.kind == "joined":
                found.add(one.viewer)
            elif one.kind == "left":
                found.discard(one.viewer)
        return found

    def note(self, kind: Any, **fields: Any) -> None:
        """Append an entry of a viewer."""
        self.entries.append(Entry(kind=kind, at=time.monotonic(), **fields))

    # -- Time

    def span(self, full: float, short: float) -> float:
        """Return ``short`` in a short run, else ``full``."""
        return short if self.short else full

    def phase(self, name: str) -> float:
        """Begin a phase, and return the current time."""
        now = time.monotonic()
        self.phases.append((now, name))
        return now

    async def until(self, look: Callable[[], T], seconds: float) -> float:
        """Wait until ``look`` returns a true value; return the seconds, or infinity after ``seconds``."""
        began = time.monotonic()
        while not look():
            if time.monotonic() - began > seconds:
                return float("inf")
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    def limit(self, full: float, *waits: str) -> float:
        """Return the deadline ``full``, or in a short run the one that is made of the timings ``waits``."""
        return deadline(*waits) if self.short else full

    async def all_live(self, seconds: float = 0) -> float:
        """Wait until every protocol client is live; return the seconds, or infinity."""
        most = seconds or self.span(LIVE_SECONDS, LIVE_SECONDS_SHORT)
        return await self.until(lambda: all(client.state == "live" for client in self.clients), most)

    async def all_pushed(self, seconds: float, *, since: float = 0) -> float:
        """Wait until messages are pushed at once to every viewer; return the seconds until that began, or infinity.

        Messages since ``since`` count, too, because the load of a short run ends soon. All messages of a window must be
        shown within a moment. The window is longer than the interval between two rounds of the hub, so neither
        reconciliation nor polling can bring all of them in time.
        """
        began, window = time.monotonic(), SHORT_SETTINGS["CATMAID_NOTIFY_RECONCILE_SECONDS"] + LOOK_SECONDS
        while time.monotonic() - began <= seconds:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            begin, end = now - AT_ONCE_SECONDS - window, now - AT_ONCE_SECONDS
            self.entries += self._reader.more()
            if begin >= (since or began) and came_at_once(self.entries, self.run, begin, end):
                return max(0.0, begin - began)
        return float("inf")

    async def load(self, full: float, most: float) -> None:
        """Keep the load for ``full`` seconds, or in a short run until pushing works again, for at most ``most``."""
        if self.short:
            await self.all_pushed(most)
        else:
            await asyncio.sleep(full)

    def verdict(self, run: str) -> Verdict:
        """Judge a run by all entries so far."""
        self.entries += self._reader.more()
        return check(self.entries, run)

    async def settle(self, run: str) -> Verdict:
        """Stop the load, wait until everything was shown or the wait is over, and a moment more; judge."""
        self.order("")
        await asyncio.sleep(1)  # producers finish and write their last message
        await self.until(lambda: not self.verdict(run).lost, self.span(SETTLE_SECONDS, SETTLE_SECONDS_SHORT))
        await asyncio.sleep(self.span(QUIET_SECONDS, QUIET_SECONDS_SHORT))
        return self.verdict(run)

    # -- Inspection

    async def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl."""
        return await to_thread(self.broker.ctl, *arguments)

    async def bindings(self) -> list[str]:
        """Return the queues to which groups are bound, one for each binding."""
        listed = await self.ctl(
            "list_bindings", "-p", self.vhost, "--no-table-headers", "source_name", "destination_name"
        )
        return [line.split("\t")[1] for line in listed.splitlines() if line.startswith("groups\t")]

    def resources(self) -> dict[str, tuple[float, int]]:
        """Return the memory (MB) and the number of open files of each server, including its children."""
        found = {}
        servers = {"daphne": self.daphne, "gunicorn": self.gunicorn, "worker": self.worker, "nginx": self.nginx.process}
        for name, process in servers.items():
            if process and process.exit_code is None:
                pids = self.pids(process)
                found[name] = (sum(map(rss_bytes, pids)) / 1e6, sum(map(_files, pids)))
        return found


async def _brokers(stack: AsyncExitStack, folder: Path, nodes: int) -> list[Broker]:
    if nodes == 1:
        return [await _entered(stack, broker(folder))]
    found: list[Broker] = await _entered(stack, cluster(folder, size=nodes, config=CLUSTER_CONFIG))
    return found


def _settings(amqp_urls: list[str], *, short: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"hosts": amqp_urls, **({"heartbeat": 2} if short else {})}
    layer = {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": config}
    return {
        "ROOT_URLCONF": "faults.urls",
        "CHANNEL_LAYERS": {"default": layer},
        "CELERY_BROKER_URL": amqp_urls,
        "CELERY_IMPORTS": ["faults.tasks"],
        **(SHORT_SETTINGS if short else {}),
    }


async def _entered(stack: AsyncExitStack, manager: Any) -> Any:
    """Enter a blocking context manager in a thread, and leave it in one, also if this is cancelled while entering."""
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))

    async def leave() -> None:
        await asyncio.wait([entering])
        if entering.exception() is None:  # if entering failed, the manager has cleaned up itself
            await to_thread(manager.__exit__, None, None, None)

    stack.push_async_callback(leave)
    return await asyncio.shield(entering)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _group(leader: int) -> list[int]:
    """Return the ids of the processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[2]) == leader:
                found.append(int(path.name))
    return found


def _files(pid: int) -> int:
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0
