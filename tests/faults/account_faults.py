"""People who are signed in no longer: their sockets must end with their sign-in."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.faults.client import Client
from tests.faults.faults import Criterion, Measure, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.world import World

SESSION = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
Model = get_user_model()
store = import_module(settings.SESSION_ENGINE).SessionStore(cookie.partition("=")[2])
user = Model.objects.get(pk=pk)
"""
BY_SIGNAL = {
    "logged out elsewhere": "request = HttpRequest(); request.session = store; request.user = user; logout(request)",
    "password changed": "user.set_password('another one'); user.save()",
    "deactivated": "user.is_active = False; user.save()",
    "deleted": "user.delete()",
}
OTHERWISE = {
    "session removed": "store.delete()",
    "session expired": "store.set_expiry(1); store.save()",
    "deactivated by SQL": "Model.objects.filter(pk=pk).update(is_active=False)",
    "deleted by SQL": "Model.objects.filter(pk=pk)._raw_delete('default')",
}
MESSAGE = "\nif Model.objects.filter(pk=pk).exists(): api.notify_user(pk, 'for nobody')"


@fault("F28", "logged out elsewhere, password changed, deactivated, deleted, expired")
async def signed_out(world: World) -> Sequence[Criterion]:
    signalled = await asyncio.gather(*[_end(world, name, code, 10) for name, code in BY_SIGNAL.items()])
    others = await asyncio.gather(*[_end(world, name, code, 90) for name, code in OTHERWISE.items()])
    world.phase("after")
    frames = [frames for _, frames in [*signalled, *others]]
    return [
        Measure(what="closed by signal after", value=max(seconds for seconds, _ in signalled), most=2),
        Measure(what="otherwise after", value=max(seconds for seconds, _ in others), most=60),
        Measure(what="messages to them afterwards", value=sum(frames), most=0, unit=""),
    ]


async def _end(world: World, name: str, code: str, seconds: float) -> tuple[float, int]:
    """Sign somebody in, end that, and send a message; return when the socket was closed and what it was sent then."""
    user = await world.console(world.site.user, name)
    shown: list[str] = []
    client = Client(
        name,
        port=world.link.port,
        cookie=user.cookie,
        timings=world.timings,
        shown=lambda number, _via: shown.append(number),
    )
    client.start()
    try:
        await world.until(lambda: client.state == "live", 30)
        await world.console(world.site.run, SESSION + code, pk=user.pk, cookie=user.cookie)
        ended = time.monotonic()
        await world.until(lambda: client.state == "signedout", seconds)
        closed = time.monotonic() - ended if client.state == "signedout" else float("inf")
        await world.console(world.site.run, SESSION.rpartition("user =")[0] + MESSAGE, pk=user.pk, cookie=user.cookie)
        await asyncio.sleep(1)
    finally:
        await client.stop()
    return closed, len(shown)
