"""Sites without a proxy: everything through one ASGI server, `runserver`, another layer, or no ASGI server at all."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.deploy.kit import check_all, check_pages, wait_until_served
from tests.support.environment import REDIS, require
from tests.support.ports import free_port
from tests.support.process import PYTHON

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["daphne", "-b", "127.0.0.1", "-p", "{port}"], id="daphne"),
        pytest.param(["uvicorn", "--host", "127.0.0.1", "--port", "{port}"], id="uvicorn", marks=pytest.mark.slow),
        pytest.param(["hypercorn", "--bind", "127.0.0.1:{port}"], id="hypercorn", marks=pytest.mark.slow),
    ],
)
def test_asgi_only(site, command):
    site.port = free_port()
    arguments = [part.format(port=site.port) for part in command]
    site.start(command[0], PYTHON, "-m", *arguments, "tests.asgi:application")
    site.worker()
    check_all(site)


def test_runserver(make_site):
    """Daphne among the apps makes Django's own command serve sockets."""
    with make_site(env={"DJANGO_DEBUG": "1"}) as site:
        site.port = free_port()
        server = site.start("runserver", PYTHON, "-m", "django", "runserver", f"127.0.0.1:{site.port}")
        site.worker()
        check_all(site)
        assert "Starting ASGI/Daphne" in server.output


def test_redis_as_the_layer(make_site):
    require("redis")
    config = {"hosts": [REDIS], "prefix": f"test-{secrets.token_hex(6)}"}
    layer = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}
    with make_site(settings={"CHANNEL_LAYERS": layer}) as site:
        site.daphne()
        site.gunicorn()
        site.proxy()
        site.worker()
        check_all(site)


def test_wsgi_only(make_site, browser):
    """No ASGI server, no broker: the page asks once in a while, and says so."""
    settings = {"CHANNEL_LAYERS": {}, "CATMAID_NOTIFY_POLL_SECONDS": 2}
    with make_site(broker=False, settings=settings) as site:
        site.gunicorn()
        site.port = site.gunicorn_port
        wait_until_served(site, health=False)
        ann = site.user("ann")
        assert site.fetch("/channels/health/").status == 404
        timings = json.dumps({"giveUpMs": 500})
        page = browser.page(site, ann, f"/inbox/?timings={timings}")
        page.wait_for_function("() => window.catmaidNotify?.state === 'polling'", timeout=60_000)
        page.locator(".catmaid-notify__bell").click()
        page.get_by_text("No live connection: checking every 2 seconds.").wait_for()  # the panel is loaded now
        check_pages(site, ann)
        page.wait_for_function("() => window.catmaidNotify.unread.count === 1", timeout=30_000)
