"""ASGI entry point of the site, with the application that ``BENCH_APPLICATION`` names.

``/bench/…`` belongs to the harness: it reports from inside of the process, and lets the bare application send.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.served.settings")
django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402

from bench.served import bare  # noqa: E402
from bench.served.applications import APPLICATIONS  # noqa: E402

KIND = os.environ["BENCH_APPLICATION"]
WITH_SESSIONS = os.environ["BENCH_SIGN_IN"] == "session"

queries = 0


class User:
    """User with the primary key in the address. No database is queried."""

    is_authenticated = True

    def __init__(self, pk: int) -> None:
        self.pk = self.id = pk


def anybody(inner: Any) -> Any:
    """Return a middleware that takes the user from the address."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await inner({**scope, "user": User(int(bare.value(scope, "user")))}, receive, send)

    return application


def _websocket() -> Any:
    inner = APPLICATIONS[KIND]()
    if KIND == "bare":
        return inner
    if not WITH_SESSIONS:
        return anybody(inner)
    # Our application reads the session itself.
    return inner if KIND == "ours" else AuthMiddlewareStack(inner)


def _count(execute: Any, sql: str, parameters: Any, many: Any, context: Any) -> Any:
    global queries
    queries += 1
    return execute(sql, parameters, many, context)


def _install(**arguments: Any) -> None:
    wrappers = arguments["connection"].execute_wrappers
    if _count not in wrappers:  # the signal comes for each new connection; one wrapper is enough
        wrappers.append(_count)


connection_created.connect(_install)
connection.close()


async def _orders(scope: dict[str, Any]) -> Any:
    order = scope["path"].removeprefix("/bench/")
    if order == "flow":
        count, rate, groups = (float(bare.value(scope, name)) for name in ("count", "rate", "groups"))
        return await bare.flow(int(count), rate, int(groups))
    if order == "settle":
        gc.collect()
    return {"queries": queries, "tasks": len(asyncio.all_tasks())}


_inner = {"websocket": _websocket(), "http": get_asgi_application()}


async def application(scope: dict[str, Any], receive: bare.Receive, send: bare.Send) -> None:
    """Serve the site, and the URLs of the harness."""
    if scope["type"] == "http" and scope["path"].startswith("/bench/"):
        body = json.dumps(await _orders(scope)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] in _inner:
        await _inner[scope["type"]](scope, receive, send)
