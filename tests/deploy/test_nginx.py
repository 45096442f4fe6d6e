"""nginx in front: what `notify_config nginx` prints works with the real servers, in each of its shapes."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.deploy.kit import check_all, check_pages, run_units, wait_until_served
from tests.support.environment import PROGRAMS
from tests.support.ports import free_port
from tests.support.process import ROOT
from tests.support.servers import nginx_conf
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("needs_nginx")]
TRUSTING = {
    "USE_X_FORWARDED_HOST": True,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
}
SUB = {"FORCE_SCRIPT_NAME": "/sub", "STATIC_URL": "/sub/static/"}
PARTS = ("upstream.conf", "channels.conf", "limits.conf")
slow = pytest.mark.slow


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"wsgi_server": "uwsgi"}, id="uwsgi and daphne"),
        pytest.param({"wsgi_server": "none", "asgi_processes": 2}, id="daphne alone", marks=slow),
        pytest.param({"asgi_server": "uvicorn"}, id="gunicorn and uvicorn"),
        pytest.param({"asgi_server": "hypercorn"}, id="gunicorn and hypercorn", marks=slow),
        pytest.param({"wsgi_server": "none", "asgi_server": "uvicorn"}, id="uvicorn alone", marks=slow),
        pytest.param({"wsgi_server": "none", "asgi_server": "hypercorn"}, id="hypercorn alone", marks=slow),
        pytest.param({"asgi_server": "uvicorn", "asgi_port": True}, id="uvicorn on a port", marks=slow),
        pytest.param({"asgi_server": "hypercorn", "asgi_port": True}, id="hypercorn on a port", marks=slow),
    ],
)
def test_site__servers(site, options):
    if "asgi_port" in options:
        options = {**options, "asgi_port": site.daphne_port}
    site.nginx(site.config("nginx", **options))
    run_units(site, **options)
    check_all(site)


@pytest.mark.parametrize("wsgi", ["gunicorn", pytest.param("uwsgi", marks=slow), pytest.param("none", marks=slow)])
def test_site__in_a_sub_directory(make_site, wsgi):
    with make_site(settings=SUB) as site:
        site.prefix = "/sub"
        site.nginx(site.config("nginx", wsgi_server=wsgi))
        run_units(site, wsgi_server=wsgi)
        ann = check_all(site)
        assert check_pages(site, ann)["path"] == "/sub/send/"
        assert b'"/sub/channels/updates/"' in site.fetch("/page/", ann).body
        site.prefix = ""
        assert site.fetch("/channels/health/").status == 404


def make_certificate(folder: Path) -> dict[str, Path]:
    """Make a self-signed certificate, as for a try; returns the options that name its files."""
    made = {"certificate": folder / "site.pem", "certificate_key": folder / "site.key"}
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(made["certificate"]), "-keyout", str(made["certificate_key"])]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run([*new, *subject, *files], check=True, capture_output=True)
    return made


@pytest.mark.parametrize("path", sorted((ROOT / "nginx").glob("site*.conf")), ids=lambda path: path.name)
def test_examples__are_valid(tmp_path, path):
    """nginx itself reads them, with ports that need no root and a certificate that exists."""
    shutil.copy("/etc/nginx/uwsgi_params", tmp_path)
    ports = {"80": free_port(), "443": free_port()}
    text = re.sub(r" *listen \[::\].*\n", "", path.read_text())
    text = re.sub(r"listen (\d+)", lambda match: f"listen 127.0.0.1:{ports[match[1]]}", text)
    for option, file in make_certificate(tmp_path).items():
        text = re.sub(f"ssl_{option} .*;", f"ssl_{option} {file};", text)
    conf = tmp_path / "nginx.conf"
    conf.write_text(nginx_conf(tmp_path, text))
    done = subprocess.run(
        [PROGRAMS["nginx"], "-t", "-e", "stderr", "-p", tmp_path, "-c", conf],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.parametrize("wsgi", ["gunicorn", pytest.param("uwsgi", marks=slow), pytest.param("none", marks=slow)])
def test_site__tls(make_site, wsgi):
    with make_site(settings=TRUSTING) as site:
        certificate = make_certificate(site.folder)
        site.nginx(site.config("nginx", wsgi_server=wsgi, **certificate))
        site.certificate = certificate["certificate"]
        run_units(site, wsgi_server=wsgi)
        ann = check_all(site)
        assert check_pages(site, ann)["secure"] is True
        with pytest.raises(InvalidStatus), site.socket(ann, origin=site.url.replace("https", "http")):
            pass


def test_site__believes_only_the_proxy(make_site):
    """Whoever writes the proxy's headers himself gains nothing, in pages and in sockets."""
    lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Daphne-Root-Path": "/evil"}
    with make_site(settings=TRUSTING | {"ALLOWED_HOSTS": ["127.0.0.1", "evil.example"]}) as site:
        site.nginx(site.config("nginx"))
        run_units(site, parts=("asgi", "wsgi"))
        wait_until_served(site)
        ann = site.user("ann")
        sent = site.fetch("/send/", ann, method="POST", data={}, headers=lies).json
        assert sent == {"path": "/send/", "url": f"{site.url}/", "secure": False}
        assert site.fetch("/channels/health/", headers=lies).status == 200
        for origin in ("https://evil.example", site.url.replace("http", "https")):
            with pytest.raises(InvalidStatus), site.socket(ann, origin=origin, headers=lies):
                pass


@pytest.mark.parametrize("trusted", [True, pytest.param(False, marks=slow)])
def test_site__behind_a_balancer_that_ends_tls(make_site, trusted):
    """The scheme is the balancer's to say, and of nobody else who writes such a header."""
    balancer = "127.0.0.1" if trusted else "192.0.2.10"
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    with make_site(settings=TRUSTING) as site:
        site.nginx(site.config("nginx", balancer=balancer))
        run_units(site, parts=("asgi", "wsgi"))
        wait_until_served(site)
        ann = site.user("ann")
        headers = {**said, "Referer": f"{site.url.replace('http', 'https')}/"}
        assert site.fetch("/send/", ann, method="POST", data={}, headers=headers).json["secure"] is trusted
        origin = site.url.replace("http", "https" if trusted else "http")
        with site.socket(ann, origin=origin, headers=said) as socket:
            socket.wait_for("hello")


@pytest.mark.parametrize("ping_seconds", [0.5, pytest.param(25, marks=slow)])
def test_channels__silence_longer_than_the_read_timeout(make_site, ping_seconds):
    """An idle socket stays when pings come more often than the time-out, and is cut when they don't."""
    with make_site(settings={"CATMAID_NOTIFY_PING_SECONDS": ping_seconds}) as site:
        text, replaced = re.subn(r"proxy_read_timeout \d+s", "proxy_read_timeout 2s", site.config("nginx"))
        assert replaced == 1
        site.nginx(text)
        run_units(site, parts=("asgi", "wsgi"))
        wait_until_served(site)
        with site.socket(site.user("ann")) as socket:
            socket.wait_for("hello")
            started = time.monotonic()
            if ping_seconds < 2:
                while time.monotonic() < started + 5:
                    socket.wait_for("ping")
            else:
                assert socket.close_code(timeout=20) == 1006


def sockets_of(site, *numbers):
    """Ask ASGI processes, past nginx, how many sockets each holds."""
    code = """
import http.client, json, socket
result = []
for path in paths:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("GET", "/channels/health/")
    result.append(json.loads(connection.getresponse().read())["sockets"])
    connection.close()
"""
    return site.run(code, paths=[str(site.folder / "run" / f"asgi-{number}.sock") for number in numbers])


def test_channels__new_sockets_go_to_the_process_with_the_fewest(site):
    site.nginx(site.config("nginx", asgi_processes=2))
    first = run_units(site, parts=("asgi-0", "wsgi"), asgi_processes=2)["asgi-0"]
    wait_until_served(site)
    ann = site.user("ann")
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(site.socket(ann)).wait_for("hello")
        run_units(site, parts=("asgi-1",), asgi_processes=2)
        socket = site.folder / "run" / "asgi-1.sock"
        eventually(lambda: socket.exists() and sockets_of(site, 0, 1) == [8, 0], timeout=30)
        for _ in range(8):
            stack.enter_context(site.socket(ann)).wait_for("hello")
        eventually(lambda: sum(sockets_of(site, 0, 1)) == 16)  # each process counts once a second
        assert sockets_of(site, 0, 1) == [8, 8]
    # One of them dies: nobody who connects then notices.
    first.kill()
    with site.socket(ann) as client:
        client.wait_for("hello")
        assert site.fetch("/channels/health/").status == 200


def test_parts__in_an_existing_server(site):
    """The two files of a site that has a server block already, and the limits at the outermost level."""
    port = site.daphne_port
    site.gunicorn()
    upstream, channels, limits = (site.config("nginx", name, asgi_port=port) for name in PARTS)
    server = f"""{upstream}
server {{
    listen 127.0.0.1:{site.port};
{channels}
    location / {{
        proxy_pass http://127.0.0.1:{site.gunicorn_port};
        proxy_set_header Host $http_host;
    }}
}}"""
    nginx = site.nginx(server, main=limits)
    run_units(site, parts=("asgi", "worker"), asgi_port=port)
    check_all(site)
    children = Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()
    for child in children:
        assert re.search(r"Max open files +20000 ", Path(f"/proc/{child}/limits").read_text())
