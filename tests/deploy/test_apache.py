"""Apache 2.4 in front: `notify_config apache` with the real server."""

from __future__ import annotations

import re

import pytest
from websockets.exceptions import InvalidStatus

from tests.deploy.kit import check_all, check_pages, run_units, wait_until_served
from tests.deploy.test_nginx import SUB, TRUSTING, make_certificate
from tests.support.environment import require

pytestmark = pytest.mark.real
slow = pytest.mark.slow


@pytest.fixture(autouse=True)
def _needs_apache():
    require("apache")


def start_apache(site, **options):
    """Start Apache with the modules that the file asks for."""
    text = site.config("apache", **options)
    (modules,) = re.findall("a2enmod (.*)", text)
    site.apache(text, *modules.split())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"asgi_processes": 2}, id="gunicorn and daphne"),
        pytest.param({}, id="gunicorn and one daphne", marks=slow),
        pytest.param({"wsgi_server": "uwsgi"}, id="uwsgi and daphne", marks=slow),
        pytest.param({"wsgi_server": "none", "asgi_processes": 2}, id="daphne alone", marks=slow),
        pytest.param({"asgi_server": "uvicorn", "asgi_port": True}, id="uvicorn on a port", marks=slow),
    ],
)
def test_site__servers(site, options):
    if "asgi_port" in options:
        options = {**options, "asgi_port": site.daphne_port}
    start_apache(site, **options)
    run_units(site, **options)
    check_all(site)


@slow
@pytest.mark.parametrize("wsgi", ["gunicorn", "uwsgi", "none"])
def test_site__in_a_sub_directory(make_site, wsgi):
    with make_site(settings=SUB) as site:
        site.prefix = "/sub"
        start_apache(site, wsgi_server=wsgi)
        run_units(site, wsgi_server=wsgi)
        ann = check_all(site)
        assert check_pages(site, ann)["path"] == "/sub/send/"


@slow
def test_site__tls(make_site):
    with make_site(settings=TRUSTING) as site:
        certificate = make_certificate(site.folder)
        start_apache(site, **certificate)
        site.certificate = certificate["certificate"]
        run_units(site)
        ann = check_all(site)
        assert check_pages(site, ann)["secure"] is True


def test_site__believes_only_the_proxy(make_site):
    lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Daphne-Root-Path": "/evil"}
    with make_site(settings=TRUSTING | {"ALLOWED_HOSTS": ["127.0.0.1", "evil.example"]}) as site:
        start_apache(site)
        run_units(site, parts=("asgi", "wsgi"))
        wait_until_served(site)
        ann = site.user("ann")
        sent = site.fetch("/send/", ann, method="POST", data={}, headers=lies).json
        assert sent == {"path": "/send/", "url": f"{site.url}/", "secure": False}
        assert site.fetch("/channels/health/", headers=lies).status == 200
        with pytest.raises(InvalidStatus), site.socket(ann, origin="https://evil.example", headers=lies):
            pass


def test_classic__proxy_pass_to_ws(site):
    """The way of the guides: ws:// for the path of the sockets."""
    channels = site.config("apache", "classic.conf", asgi_port=site.daphne_port)
    site.gunicorn()
    site.daphne()
    site.port = 0
    site.config("apache")  # chooses a port for the site
    rest = f"ProxyPass / http://127.0.0.1:{site.gunicorn_port}/"
    site.apache(f"<VirtualHost *>\n{channels}\n{rest}\n</VirtualHost>", "proxy", "proxy_http", "proxy_wstunnel")
    site.worker()
    check_all(site)
