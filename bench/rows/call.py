"""Rows about the app's functions: their cost for the caller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from bench.helper import Helper
from bench.kinds import KINDS, RECOMMENDED
from bench.rows.table import Figure, Goal, Row, Sizes, Values
from bench.stage import Stage
from tests.support.process import Process

PER_SECOND = 10_000
OURS = KINDS["daphne: ours"]
REDIS = KINDS["daphne: channels_redis"]
GROUP = "updates-1"
QUIET_SECONDS = 2.0


@contextmanager
def _caller(stage: Stage, name: str) -> Iterator[Helper]:
    kind = REDIS if name == "channels_redis" else OURS
    env = {**stage.env(kind), "BENCH_AMQP_URL": stage.vhost(OURS.layer)}
    with Helper("bench.caller", python=RECOMMENDED, env=env, log=stage.folder / "caller.log") as helper:
        if name.endswith("Celery task"):
            options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO"]
            celery = ["-m", "celery", "-A", "bench.served.celery", "worker", "-c", "1", "-n", "bench@bench", *options]
            worker = Process("worker", [RECOMMENDED, *celery], folder=stage.folder, env=env)
            try:
                worker.wait_for(r"bench@bench ready", timeout=60)
                yield helper
            finally:
                worker.kill()
        else:
            yield helper


def _publish(stage: Stage, name: str, sizes: Sizes) -> Values:
    kind = name.partition(",")[0]
    with _caller(stage, name) as caller, _Bound(stage.vhost(OURS.layer)) as bound:
        do = "publish_in_task" if name.endswith("Celery task") else "publish"
        # A call that waits for its broker can't keep up that rate, so fewer calls are made.
        count = sizes.publishes if kind != "channels_redis" else sizes.publishes // 20
        called = caller.ask(do, kind=kind, count=count, rate=PER_SECOND)
        lost, seconds = bound.missing(count + 1) if kind != "channels_redis" else (0, 0.0)
    seconds += called["seconds"]
    return {"p50_us": called["p50_us"], "p99_us": called["p99_us"], "rate": (count - lost) / seconds, "lost": lost}


class _Bound:
    """Queue that keeps the messages to one user, so that they can be counted."""

    def __init__(self, url: str) -> None:
        kombu: Any = import_module("kombu")  # has no types

        self._connection = kombu.Connection(url)
        exchange = kombu.Exchange("groups", type="direct", durable=False)
        self._queue = kombu.Queue("", exchange, GROUP, exclusive=True)

    def __enter__(self) -> _Bound:
        self._queue = self._queue(self._connection.default_channel)
        self._queue.declare()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.release()

    def missing(self, count: int) -> tuple[int, float]:
        """Wait until ``count`` messages have come, or no more come; return the number of missing ones, and seconds."""
        started = last = time.monotonic()
        there = 0
        while there < count and time.monotonic() - last < QUIET_SECONDS:
            now = self._queue.queue_declare(passive=True).message_count
            if now > there:
                there, last = now, time.monotonic()
            time.sleep(0.01)
        return max(0, count - there), last - started


def _store(stage: Stage, name: str, sizes: Sizes) -> Values:
    with _caller(stage, name) as caller:
        caller.ask("store", kind=name, count=20)
        called = caller.ask("store", kind=name, count=sizes.messages)
        caller.ask("forget")
    return {"p50_us": called["p50_us"], "p99_us": called["p99_us"]}


def _store_many(stage: Stage, name: str, sizes: Sizes) -> Values:
    with _caller(stage, name) as caller:
        called = caller.ask("store_many", kind=name, users=sizes.users)
        caller.ask("forget")
    return {"seconds": called["seconds"]}


P50 = Figure(title="the caller waits, p50, us")
P99 = Figure(title="p99, us")

PUBLISH = Row(
    name="publish",
    title="10,000 calls/s to one user",
    kinds=("msg_user", "msg_user, in a Celery task", "kombu", "channels_redis"),
    figures={
        "p50_us": P50,
        "p99_us": P99,
        "rate": Figure(title="at the broker/s", better="more", format="{:,.0f}"),
        "lost": Figure(title="lost", format="{:,.0f}"),
    },
    run=_publish,
    goals=(
        Goal(figure="p50_us", kind="msg_user", plus=15),
        Goal(figure="p50_us", kind="msg_user, in a Celery task", plus=15),
        Goal(figure="rate", kind="msg_user", plus=PER_SECOND * 0.98),
        Goal(figure="lost", kind="msg_user"),
        Goal(figure="lost", kind="msg_user, in a Celery task"),
    ),
)
STORE = Row(
    name="store",
    title="A message is stored, PostgreSQL",
    kinds=("notify_user", "the bare insert"),
    figures={"p50_us": P50, "p99_us": P99},
    run=_store,
    goals=(Goal(figure="p50_us", kind="notify_user", against="the bare insert", plus=60),),
)
STORE_MANY = Row(
    name="store-many",
    title="A message each for 10,000 users, PostgreSQL",
    kinds=("notify_users", "the bare insert"),
    figures={"seconds": Figure(title="seconds", format="{:,.2f}")},
    run=_store_many,
    goals=(Goal(figure="seconds", kind="notify_users", plus=2),),
)
