"""A process that ends right after a push, as a management command does, and a layer that needs a connection first."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ports import listens
from tests.support.process import PYTHON, ROOT, environment

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
    "CONFIG": {"hosts": ["redis://127.0.0.1:6379/0"], "prefix": sys.argv[1]}}})
django.setup()
from catmaid_notify.publish import push
for n in range(20):
    push("people", {"type": "a", "n": n})
"""
GEVENT = "from gevent import monkey\nmonkey.patch_all()\n"


@pytest.mark.parametrize("before", ["", GEVENT], ids=["plain", "gevent"])
async def test_exit__what_was_pushed_through_redis_is_sent(tmp_path: Path, before: str) -> None:
    from channels_redis.core import RedisChannelLayer

    if not listens(6379, "127.0.0.1"):
        pytest.skip("no Redis on 127.0.0.1:6379")
    prefix = f"test-{secrets.token_hex(6)}"
    layer = RedisChannelLayer(hosts=["redis://127.0.0.1:6379/0"], prefix=prefix)
    channel = await layer.new_channel()
    await layer.group_add("people", channel)
    script = tmp_path / "script.py"
    script.write_text(before + SCRIPT)
    try:
        done = await asyncio.to_thread(_run, script, prefix)
        assert (done.returncode, done.stderr) == (0, "")
        async with asyncio.timeout(SECONDS):
            received: list[Any] = [await layer.receive(channel) for _ in range(20)]
        assert [message["n"] for message in received] == list(range(20))
    finally:
        await layer.flush()
        await layer.close_pools()


def _run(script: Path, prefix: str) -> subprocess.CompletedProcess[str]:
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    command = [str(PYTHON), str(script), prefix]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
