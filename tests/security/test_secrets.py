"""Secrets that are planted everywhere turn up nowhere: in no log, no error page, no error mail."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support import rabbitmq
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.site import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ALL = {"level": "DEBUG", "handlers": ["console"], "propagate": False}


def planted(site: Site, password: str) -> dict[str, object]:
    """Return settings with a broker account of the test's own, and the loggers at their most talkative."""
    assert site.vhost is not None
    url = f"amqp://{site.vhost.name}:{password}@{rabbitmq.HOST}:{rabbitmq.PORT}/{site.vhost.name}"
    return {
        "CHANNEL_LAYERS": {
            "default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": url}}
        },
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "loggers": {"catmaid_notify": ALL, "django": ALL, "daphne": ALL},
        },
    }


def test_secrets__are_in_no_log(make_site: Callable[..., AbstractContextManager[Site]]) -> None:
    password, title, text = (secrets.token_hex(12) for _ in range(3))
    with make_site() as site:
        assert site.vhost is not None
        account = site.vhost.name
        rabbitmq.rabbitmqctl("add_user", account, password)
        try:
            rabbitmq.rabbitmqctl("set_permissions", "-p", account, account, ".*", ".*", ".*")
            site.configure("catmaid_notify", planted(site, password))
            use(site, title, text)
            rabbitmq.rabbitmqctl("change_password", account, "another one")
            site.vhost.close_connections()
            eventually(lambda: "Broker lost" in logs(site.folder))
            site.run("api.notify_user(user, title, text=text)", user=site.user("carl"), title=title, text=text)
        finally:
            rabbitmq.rabbitmqctl("delete_user", account)
        said = logs(site.folder)
        assert "Broker connected" in said
        assert "catmaid_notify.security" in said or "Socket refused" in said
        for name, secret in {"password": password, "title": title, "text": text}.items():
            assert secret not in said, f"The {name} is in a log."


def use(site: Site, title: str, text: str) -> None:
    """Do all that a site does, right and wrong."""
    site.serve()
    ann = site.user("ann", is_staff=True)
    key, token = (cookie.partition("=")[2] for cookie in (ann.cookie, ann.csrf_cookie))
    with site.socket(ann) as socket:
        socket.wait_for("hello")
        site.run("api.notify_user(user, title, text=text)", user=ann, title=title, text=text)
        assert socket.wait_for("new-message")["payload"]["message_title"] == title
        site.run("api.msg_user(user, 'tick', text)", user=ann, text=text)
        socket.wait_for("tick")
        socket.send("ping", {"nonce": text * 100})
        assert socket.close_code() == 4429
    with site.socket(ann) as socket:
        socket.wait_for("hello")
        assert site.fetch("/admin/logout/", ann, method="POST", data={"text": text}).status == 200
        assert socket.close_code() == 4401
    with site.socket(ann) as socket:
        assert socket.close_code() == 4401
    assert site.fetch(f"/messages/{2**70}/mark_read", ann).status == 401
    said = logs(site.folder)
    assert key not in said
    assert token not in said


def logs(folder: Path) -> str:
    """Return all that the processes of a site have said."""
    return "".join(path.read_text() for path in sorted(folder.glob("*.log")))
