"""CATMAID's guide to the letter: one Daphne on a port under supervisord, its location block in nginx, a WSGI server."""

from __future__ import annotations

import pytest

from tests.deploy.kit import check_all
from tests.support.site import Site

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("needs_nginx")]


def run_guide(site: Site, **options):
    """Start everything as the guide has it, on ports of our own."""
    channels = site.config("nginx", "classic.conf", asgi_port=site.daphne_port, **options)
    site.nginx(f"""
server {{
    listen 127.0.0.1:{site.port};
    server_name 127.0.0.1;
{channels}
    location {site.prefix}/ {{
        proxy_pass http://127.0.0.1:{site.gunicorn_port}/;
        proxy_set_header Host $host;
    }}
}}""")
    site.supervisor(site.config("supervisor", "classic.conf", asgi_port=site.daphne_port))
    site.gunicorn()
    site.worker()


@pytest.mark.classic
@pytest.mark.parametrize(
    "layer", ["catmaid_notify", pytest.param("channels_rabbitmq", marks=pytest.mark.channels_rabbitmq)]
)
def test_guide(make_site, layer):
    with make_site(layer=layer) as site:
        run_guide(site)
        # $host has no port: what a browser says of a site on port 80 is what the site then sees.
        check_all(site, origin="http://127.0.0.1")


@pytest.mark.slow
def test_guide__in_a_sub_directory(make_site):
    with make_site(settings={"FORCE_SCRIPT_NAME": "/sub", "STATIC_URL": "/sub/static/"}) as site:
        site.prefix = "/sub"
        run_guide(site)
        check_all(site, origin="http://127.0.0.1")


@pytest.mark.slow
def test_guide__with_tls_in_front(make_site):
    """The block doesn't tell the scheme: the setting that forms behind TLS need anyhow names the origin."""
    with make_site(settings={"CSRF_TRUSTED_ORIGINS": ["https://127.0.0.1"]}) as site:
        run_guide(site)
        check_all(site, origin="https://127.0.0.1")
