"""Sending from any code over one connection: scripts, threads, forks, several loops, all pools of Celery."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support.process import run_script
from tests.support.rabbitmq import Vhost, rabbitmqctl
from tests.support.site import Site

pytestmark = pytest.mark.real
SECONDS = 30


@asynccontextmanager
async def listening(url: str, group: str) -> AsyncIterator[Callable[[int], Any]]:
    """Join a group; yield a function that returns the next ``count`` messages."""
    layer = RabbitmqChannelLayer(host=url)
    channel = await layer.new_channel()
    await layer.group_add(group, channel)

    async def received(count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(SECONDS):
            return [await layer.receive(channel) for _ in range(count)]

    try:
        yield received
    finally:
        await layer.close()


SCRIPT = """
import asyncio, os, sys, threading, warnings
warnings.simplefilter("error")
import django
from django.conf import settings
settings.configure(CHANNEL_LAYERS={"default": {
    "BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": sys.argv[1]}}})
django.setup()
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
layer = get_channel_layer()

def send(n):
    async_to_sync(layer.group_send)("people", {"type": "a", "n": n})

def in_threads(target, count):
    threads = [threading.Thread(target=target, args=(n,)) for n in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

async def several():
    for n in range(5):
        await layer.group_send("people", {"type": "a", "n": n})
"""


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("for n in range(5): send(n)", 5),
        ("in_threads(send, 5)", 5),
        ("asyncio.run(several()); asyncio.run(several())", 10),
        ("in_threads(lambda n: asyncio.run(several()), 2)", 10),
        ("send(0)\npid = os.fork()\nif pid == 0:\n    send(1)\n    sys.exit()\nos.waitpid(pid, 0)\nsend(2)", 3),
        ("for n in range(5): layer.group_send_nowait('people', {'type': 'a', 'n': n})", 5),
        ("asyncio.run(asyncio.to_thread(send, 0))", 1),
    ],
    ids=[
        "script",
        "threads",
        "loops that ended",
        "two loops at once",
        "fork",
        "without waiting, then exit",
        "to_thread",
    ],
)
async def test_send__from(vhost: Vhost, tmp_path: Path, code: str, count: int) -> None:
    async with listening(vhost.url, "people") as received:
        done = await asyncio.to_thread(run_script, tmp_path, SCRIPT + code, vhost.url)
        assert (done.returncode, done.stderr.replace("\n", "")) == (0, "")
        assert len(await received(count)) == count


IN_A_HURRY = """
import random
def hurry(who):
    seeded = random.Random(who)
    for n in range(COUNT):
        layer.group_send_nowait("people", {"type": "a", "who": who, "n": n, "filling": "x" * seeded.randrange(5000)})
        time.sleep(seeded.choice((0, 0, 0, 0.0001, 0.0003, 0.001)))
in_threads(hurry, THREADS)
"""


async def test_send__threads_that_do_not_wait__all_arrive_once_in_the_order_of_each(
    vhost: Vhost, tmp_path: Path
) -> None:
    """Some threads write to the socket themselves, some through the loop."""
    threads, each = 4, 500
    script = f"import time\nCOUNT, THREADS = {each}, {threads}\n{SCRIPT}{IN_A_HURRY}"
    came: list[dict[str, Any]] = []
    complete = asyncio.Event()

    def listener(message: dict[str, Any]) -> None:
        came.append(message)
        if len(came) == threads * each:
            complete.set()

    layer = RabbitmqChannelLayer(host=vhost.url)
    channel = await layer.new_channel()
    layer.listen(channel, listener)
    await layer.group_add("people", channel)
    done = await asyncio.to_thread(run_script, tmp_path, script, vhost.url)
    assert (done.returncode, done.stderr) == (0, "")
    async with asyncio.timeout(SECONDS):
        await complete.wait()
    await layer.close()
    for who in range(threads):
        assert [message["n"] for message in came if message["who"] == who] == list(range(each))


@pytest.fixture(scope="module", params=["prefork", "threads", "solo", "gevent"])
def worker_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """A site with a Celery worker of one pool."""
    from tests.conftest import site_maker

    make: Callable[..., AbstractContextManager[Site]] = site_maker(tmp_path_factory)
    with make(database="sqlite") as site:
        # Two greenlets of one thread can't both be in async_to_sync: asgiref finds the other's loop running.
        one_at_a_time = ["--concurrency=1"] if request.param == "gevent" else []
        site.worker("worker", f"--pool={request.param}", *one_at_a_time)
        yield site, request.param


async def test_send__from_a_celery_worker(worker_site: tuple[Site, str]) -> None:
    site, _ = worker_site
    assert site.vhost is not None
    async with listening(site.vhost.url, "people") as received:
        await asyncio.to_thread(
            site.run,
            "from tests.tasks import send_through_layer\nfor _ in range(4): send_through_layer.delay('people', 5)",
        )
        messages = await received(20)
        assert sorted(message["n"] for message in messages) == sorted(list(range(5)) * 4)
        publishers = _publishers(site.vhost.name)
        assert len(publishers) == len({message["pid"] for message in messages}), "one connection a process"


def _publishers(vhost: str) -> list[str]:
    listed = rabbitmqctl("--formatter=json", "list_connections", "vhost", "client_properties")
    mine = [row for row in json.loads(listed) if row["vhost"] == vhost]
    return [str(row) for row in mine if "catmaid_notify publishing" in str(row)]


async def test_notify_user__from_a_celery_worker(worker_site: tuple[Site, str]) -> None:
    site, _ = worker_site
    user = await asyncio.to_thread(site.user, "ann")
    await asyncio.to_thread(site.daphne)
    assert site.vhost is not None
    async with listening(site.vhost.url, f"updates-{user.pk}") as received:
        await asyncio.to_thread(site.run, "from tests.tasks import count; count.delay_for(user, 3)", user=user)
        titles = []
        async with asyncio.timeout(SECONDS):
            while "Count is finished" not in titles:
                (message,) = await received(1)
                frame = json.loads(message.get("v1") or message["data"])
                titles.append(frame["payload"].get("message_title"))
