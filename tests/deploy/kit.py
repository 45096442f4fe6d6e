"""Runs the files of a set-up, and checks what each of them has to show."""

from __future__ import annotations

import re
import shlex
import time
from typing import TYPE_CHECKING, Any

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.process import Process
    from tests.support.site import Site, User

PARTS = ("asgi", "wsgi", "worker")


def units(site: Site, **options: Any) -> dict[str, str]:
    """Return the systemd units of the site by their names."""
    text = site.config("systemd", **options)
    parts = re.split(r"^# ---- (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def values(unit: str, key: str) -> list[str]:
    """Return the values of one key of a systemd unit."""
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def run_units(site: Site, *, parts: tuple[str, ...] = PARTS, **options: Any) -> dict[str, Process]:
    """Start the commands of the site's systemd units as processes, and return them by the names of the services.

    ``parts`` are kinds of services ("asgi") or single ones ("asgi-1").
    """
    texts = units(site, **options)
    (wanted,) = values(texts["tests.target"], "Wants")
    started = {}
    for service in wanted.split():
        part, _, instance = service.removeprefix("tests-").removesuffix(".service").partition("@")
        name = f"{part}-{instance}" if instance else part
        if part in parts or name in parts:
            text = texts[f"tests-{part}@.service" if instance else service]
            (command,) = values(text, "ExecStart")
            started[name] = site.start(name, *shlex.split(command.replace("%i", instance)))
    return started


def wait_until_served(site: Site, *, health: bool = True) -> None:
    """Return as soon as the pages, and the endpoint of the ASGI server, answer through the proxy."""
    paths = ["/notify/unread", *(["/channels/health/"] if health else [])]
    eventually(lambda: all(_answers(site, path) for path in paths), timeout=60)


def _answers(site: Site, path: str) -> bool:
    try:
        if site.fetch(path).status in (200, 401):
            return True
    except OSError:
        pass  # nobody listens yet
    time.sleep(0.2)  # proxies write a line about each try
    return False


def check_pages(site: Site, user: User) -> Any:
    """A page, a module of the client, and the inbox are served; returns what a page says that sends a message."""
    page = site.fetch("/page/", user)
    assert page.status == 200
    assert f"<h1>{user.name}</h1>" in page.body.decode()
    module = site.fetch("/static/catmaid_notify/auto.js", user)
    assert module.status == 200
    assert "javascript" in module.headers["Content-Type"]
    assert site.fetch("/notify/unread", user).status == 200
    sent = site.fetch("/send/", user, method="POST", data={})
    assert sent.status == 200, sent.body.decode()
    return sent.json


def check_all(site: Site, *, worker: bool = True, **options: Any) -> User:
    """Pages work, and messages of a page and of a Celery worker arrive in sockets of both dialects, one of each.

    ``options`` are those of `Site.socket`.
    """
    wait_until_served(site)
    assert site.fetch("/channels/health/").json["status"] == "ok"
    ann = site.user("ann")
    with site.socket(ann, **options) as socket, site.socket(ann, v1=False, **options) as plain:
        socket.wait_for("hello", timeout=30)
        check_pages(site, ann)
        assert socket.wait_for("new-message", timeout=20)["payload"]["message_title"] == "From a page"
        assert plain.wait_for("new-message", timeout=20)["payload"]["message_title"] == "From a page"
        if worker:
            site.run("from tests.tasks import count; count.delay_for(user, 3)", user=ann)
            for one in (socket, plain):
                assert one.wait_for("new-message", timeout=40)["payload"]["message_title"] == "Count is finished"
    return ann
