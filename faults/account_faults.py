"""Faults of accounts: sockets must close when their sign-in ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from faults.client import Client
from faults.faults import Criterion, Measure, fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.world import World
    from tests.support.site import User

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
MESSAGE = "if get_user_model().objects.filter(pk=pk).exists(): api.notify_user(pk, 'for nobody')"


@fault("F28", "logged out elsewhere, password changed, deactivated, deleted, expired")
async def signed_out(world: World) -> Sequence[Criterion]:
    people = {name: await _Person.arrive(world, name) for name in [*BY_SIGNAL, *OTHERWISE]}
    try:
        await world.until(lambda: all(person.client.state == "live" for person in people.values()), 30)
        # First the ends that only a periodic round finds. So no round is near when the others must be found at once.
        rounds = await asyncio.gather(*[people[name].end(code, 90) for name, code in OTHERWISE.items()])
        signals = await asyncio.gather(*[people[name].end(code, 10) for name, code in BY_SIGNAL.items()])
        for person in people.values():
            await person.be_sent_a_message()
        await asyncio.sleep(1)
    finally:
        await asyncio.gather(*[person.client.stop() for person in people.values()])
    world.phase("after")
    messages = sum(len(person.shown) for person in people.values())
    return [
        # A busy machine gets more time, but less than until the next round, which would close them all.
        Measure(what="closed by signal after", value=max(signals), most=world.span(2, 4)),
        Measure(what="otherwise after", value=max(rounds), most=world.limit(60, "SESSION_CHECK_SECONDS")),
        Measure(what="messages to them afterwards", value=messages, most=0, unit=""),
    ]


class _Person:
    """A signed-in user with an open page."""

    def __init__(self, world: World, user: User) -> None:
        self._world = world
        self._user = user
        self.shown: list[str] = []
        self.client = Client(
            user.name,
            port=world.link.port,
            cookie=user.cookie,
            timings=world.timings,
            shown=lambda number, _via: self.shown.append(number),
        )

    @classmethod
    async def arrive(cls, world: World, name: str) -> _Person:
        """Sign in, and open a page."""
        person = cls(world, await world.console(world.site.user, name))
        person.client.start()
        return person

    async def _run(self, code: str) -> None:
        await self._world.console(self._world.site.run, code, pk=self._user.pk, cookie=self._user.cookie)

    async def end(self, code: str, seconds: float) -> float:
        """End the sign-in; return the seconds until the socket was closed, or infinity."""
        await self._run(SESSION + code)
        return await self._world.until(lambda: self.client.state == "signedout", seconds)

    async def be_sent_a_message(self) -> None:
        """Send this user a message that nobody may see."""
        await self._run(MESSAGE)
