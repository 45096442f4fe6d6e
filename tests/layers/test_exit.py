"""Pushes of a process that ends at once, as a management command does, on a layer that has to connect first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.layers import kinds
from tests.support.environment import REDIS, require
from tests.support.process import run_script

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real
SECONDS = 30
SCRIPT = """
import sys
import django
from django.conf import settings
settings.configure(CHANNEL_LAYERS={"default": {
    "BACKEND": "channels_redis.core.RedisChannelLayer",
    "CONFIG": {"hosts": [sys.argv[1]], "prefix": sys.argv[2]}}})
django.setup()
from catmaid_notify.push import push
for n in range(20):
    push("people", {"type": "a", "n": n})
"""
GEVENT = "from gevent import monkey\nmonkey.patch_all()\n"


@pytest.mark.parametrize("before", ["", GEVENT], ids=["plain", "gevent"])
async def test_exit__what_was_pushed_through_redis_is_sent(tmp_path: Path, before: str) -> None:
    require("redis")
    async with kinds.redis_layer()() as layer:
        channel = await layer.new_channel()
        await layer.group_add("people", channel)
        done = await asyncio.to_thread(run_script, tmp_path, before + SCRIPT, REDIS, layer.prefix)
        assert (done.returncode, done.stderr) == (0, "")
        async with asyncio.timeout(SECONDS):
            received: list[Any] = [await layer.receive(channel) for _ in range(20)]
        assert [message["n"] for message in received] == list(range(20))
