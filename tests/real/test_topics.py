"""Audiences and presence across processes: two ASGI servers, and a third process that publishes and asks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support import sockets
from tests.support.ports import free_port
from tests.support.process import PYTHON
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.process import Process
    from tests.support.site import Site, User

pytestmark = pytest.mark.real


@contextlib.contextmanager
def other_socket(port: int, site: Site, user: User) -> Iterator[sockets.Client]:
    with sockets.socket(
        f"ws://127.0.0.1:{port}/channels/updates/", origin=f"http://127.0.0.1:{port}", cookie=user.cookie
    ) as client:
        client.wait_for("hello")
        yield client


@pytest.fixture
def other_server(site: Site) -> tuple[int, Process]:
    """A second ASGI server of the same site."""
    site.daphne()
    port = free_port()
    server = site.start("daphne2", PYTHON, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "tests.asgi:application")
    server.wait_for_port(port)
    return port, server


@pytest.fixture
def site(make_site) -> Iterator[Site]:
    with make_site(settings={"CATMAID_NOTIFY_PRESENCE_SECONDS": 1}) as made:
        yield made


def test_audiences__each_gets_what_is_its_own(site: Site, other_server: tuple[int, Process]) -> None:
    port, _server = other_server
    ann, bob = site.user("ann"), site.user("bob")
    with site.socket(ann) as first, other_socket(port, site, bob) as second:
        first.wait_for("hello")
        site.run("api.msg_everyone('all', 1)")
        assert first.wait_for("all")["payload"] == second.wait_for("all")["payload"] == 1
        site.run("api.msg_users(get_user_model().objects.filter(username='bob'), 'some', 2)")
        assert second.wait_for("some")["payload"] == 2
        site.run(
            "from django.contrib.auth.models import Group\n"
            "group = Group.objects.create(name='annotators')\n"
            "get_user_model().objects.get(pk=user).groups.add(group)\n"
            "api.msg_group('annotators', 'group', 3)",
            user=ann,
        )
        assert first.wait_for("group")["payload"] == 3
        site.run("api.msg_session(key, 'session', 4)", key=bob.cookie.partition("=")[2])
        assert second.wait_for("session")["payload"] == 4
        site.run("api.msg_everyone('fence')")
        for client in (first, second):
            client.wait_for("fence")
        assert [frame["event"] for frame in first.frames if frame["event"] in ("some", "session")] == []
        assert [frame["event"] for frame in second.frames if frame["event"] == "group"] == []


def test_presence__right_across_processes_and_after_a_kill(site: Site, other_server: tuple[int, Process]) -> None:
    port, server = other_server
    ann, bob = site.user("ann"), site.user("bob")

    def seen() -> list[int]:
        code = (
            "result = [api.socket_count(ann), api.socket_count(bob), int(api.is_online(ann)), int(api.is_online(bob))]"
        )
        found: list[int] = site.run(code, ann=ann, bob=bob)
        return found

    with site.socket(ann), other_socket(port, site, ann), other_socket(port, site, bob):
        eventually(lambda: seen() == [2, 1, 1, 1], timeout=30)
        server.kill()
        eventually(lambda: seen() == [1, 0, 1, 0], timeout=30)
    eventually(lambda: seen() == [0, 0, 0, 0], timeout=30)
