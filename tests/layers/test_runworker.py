"""``manage.py runworker`` with our layer: worker processes share the jobs of a normal channel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.conf import settings

from catmaid_notify.layers import RabbitmqChannelLayer
from tests.support.process import PYTHON

pytestmark = pytest.mark.real
JOBS = 40


async def test_runworker__two_workers_share_the_jobs_and_none_is_lost(make_site: Any) -> None:
    overrides = {
        "ASGI_APPLICATION": "tests.layers.worker_asgi.application",
        "INSTALLED_APPS": [*settings.INSTALLED_APPS, "channels"],  # which has the command
    }
    with make_site(database="sqlite", settings=overrides) as site:
        layer = RabbitmqChannelLayer(host=site.vhost.url)
        try:
            reply_to = await layer.new_channel()
            # Before any worker is there: a normal channel waits for one.
            await layer.send("jobs", {"type": "job", "n": 0, "reply_to": reply_to})
            workers = [site.start(f"runworker-{n}", PYTHON, "-m", "django", "runworker", "jobs") for n in range(2)]
            async with asyncio.timeout(30):
                assert (await layer.receive(reply_to))["n"] == 0
                pids: set[int] = set()
                while len(pids) < 2:  # until the second one has started, too
                    await layer.send("jobs", {"type": "job", "n": 1, "reply_to": reply_to})
                    pids.add((await layer.receive(reply_to))["pid"])
                await asyncio.gather(
                    *[layer.send("jobs", {"type": "job", "n": n, "reply_to": reply_to}) for n in range(JOBS)]
                )
                answers = [await layer.receive(reply_to) for _ in range(JOBS)]
            assert sorted(answer["n"] for answer in answers) == [2 * n for n in range(JOBS)]
            # What a killed worker had taken and not begun goes to the other one.
            workers[0].kill()
            for n in range(JOBS):
                await layer.send("jobs", {"type": "job", "n": n, "reply_to": reply_to})
            async with asyncio.timeout(30):
                answers = [await layer.receive(reply_to) for _ in range(JOBS)]
            assert sorted(answer["n"] for answer in answers) == [2 * n for n in range(JOBS)]
        finally:
            await layer.close()
