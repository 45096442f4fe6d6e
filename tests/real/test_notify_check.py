"""``manage.py notify_check`` on a real site: nginx, gunicorn, Daphne, a Celery worker. One part at a time is broken."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import site_maker
from tests.support import process, servers
from tests.support.environment import require
from tests.support.ports import free_port
from tests.support.process import PYTHON, ROOT
from tests.support.site import Site

pytestmark = pytest.mark.real
slow = pytest.mark.slow
CELERY = "--celery=tests.celery_app"
HEADERS = {
    "Host": "$http_host",
    "Upgrade": "$http_upgrade",
    "Connection": '"upgrade"',
    "X-Forwarded-Host": "$http_host",
    "X-Forwarded-Proto": "$scheme",
}


@dataclass(frozen=True)
class Report:
    code: int
    steps: list[dict[str, Any]]
    output: str

    def level(self, step: str) -> str:
        """Return the worst level of a step."""
        levels = [str(one["level"]) for one in self.steps if one["step"] == step]
        return max(levels, key=["ok", "skipped", "warning", "failed"].index)

    @property
    def failure(self) -> dict[str, Any]:
        """The one failure."""
        [failed] = [one for one in self.steps if one["level"] == "failed"]
        assert self.code == 1
        return failed


def run(site: Site, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "django", "notify_check", "--timeout", "4", *arguments],
        cwd=ROOT,
        env={**process.environment(), **site.env, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def check(site: Site, *arguments: str, env: dict[str, str] | None = None) -> Report:
    done = run(site, "--json", *arguments, env=env)
    assert not done.stderr, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] == (done.returncode == 0)
    assert "guest:guest" not in done.stdout
    return Report(done.returncode, found["steps"], done.stdout)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A site with all its servers but the proxy."""
    require("nginx")
    with site_maker(tmp_path_factory)(settings={"CATMAID_NOTIFY_PING_SECONDS": 2}) as site:
        site.gunicorn()
        site.daphne()
        site.worker()
        site.user("ann")
        yield site


@pytest.fixture
def front(running, tmp_path):
    """Start nginx in front, with something changed, and return the address of the site."""

    def start(
        *,
        headers: dict[str, str | None] | None = None,
        channels: str = "proxy_pass http://127.0.0.1:{asgi};",
        others: str = "proxy_pass http://127.0.0.1:{wsgi};",
        asgi: int = 0,
        wsgi: int = 0,
        server: str = "",
        below: str = "",
    ) -> str:
        port = free_port()
        given = {name: value for name, value in {**HEADERS, **(headers or {})}.items() if value is not None}
        lines = "\n".join(f"proxy_set_header {name} {value};" for name, value in given.items())
        ports = {"asgi": asgi or running.daphne_port, "wsgi": wsgi or running.gunicorn_port}
        for name, number in ports.items():
            channels, others = (text.replace(f"{{{name}}}", str(number)) for text in (channels, others))
        servers.nginx(
            tmp_path,
            f"""
            server {{
                listen {port} {"ssl" if "ssl_certificate" in server else ""};
                proxy_http_version 1.1;
                location {below}/channels/ {{ {lines} {channels} }}
                location / {{ proxy_set_header Host $http_host; {others} }}
                {server}
            }}""",
            port=port,
        )
        return f"{'https' if 'ssl_certificate' in server else 'http'}://127.0.0.1:{port}/"

    with process.all_stopped():
        yield start


@pytest.fixture
def daphne(running):
    """Start another ASGI server with some other settings, and return its port."""

    def start(**settings: Any) -> int:
        return start_with(running, "asgi", settings, application="tests.asgi:application")

    with process.all_stopped():
        yield start


def start_with(site: Site, name: str, settings: dict[str, Any], *, application: str) -> int:
    port = free_port()
    lines = [f"{key} = {value!r}" for key, value in settings.items()]
    (site.folder / f"{name}_settings.py").write_text("\n".join(["from site_settings import *  # noqa: F403", *lines]))
    command = [PYTHON, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), application]
    started = site.start(name, *command, env={"DJANGO_SETTINGS_MODULE": f"{name}_settings"})
    started.wait_for_port(port)
    return port


# -- All is well


def test_site__all_is_well(running, front):
    done = run(running, CELERY, "--url", front(), "--user", "ann", "--deep")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("All is well\n")
    assert not done.stderr
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()[:-1]]
    assert {level for level, _ in lines} == {"ok"}
    for words in ("says hello", "reached the user's socket within", "stayed open in silence", "served as JavaScript"):
        assert words in done.stdout
    assert running.run("from django.contrib.sessions.models import Session; result = Session.objects.count()") == 1, (
        "the session of the check is gone; the test's own is left"
    )
    assert running.run("result = Message.objects.count()") == 0


def test_site__without_url_and_user(running):
    found = check(running, CELERY)
    assert found.code == 0
    assert found.level("celery worker") == "ok"
    assert found.level("worker's push") == "skipped"
    assert "site address" not in found.output


# -- Settings and database


def with_settings(site: Site, **settings: Any) -> dict[str, str]:
    lines = [f"{key} = {value!r}" for key, value in settings.items()]
    (site.folder / "wrong_settings.py").write_text("\n".join(["from site_settings import *  # noqa: F403", *lines]))
    return {"DJANGO_SETTINGS_MODULE": "wrong_settings"}


def test_settings__system_checks_are_said(running):
    found = check(running, env=with_settings(running, ROOT_URLCONF="tests.support.no_urls", ALLOWED_HOSTS=["*"]))
    assert "catmaid_notify.E006" in found.failure["text"]
    assert found.failure["hints"]
    assert "catmaid_notify.W007" in found.output


@slow
def test_database__is_away(running):
    database = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": free_port(), "NAME": "none"}
    found = check(running, env=with_settings(running, DATABASES={"default": database}))
    assert found.failure["step"] == "database"
    assert found.level("migrations") == "skipped"


def test_migrations__are_missing(running, tmp_path):
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "empty.sqlite3")}
    found = check(running, env=with_settings(running, DATABASES={"default": database}))
    assert found.failure["step"] == "migrations"
    assert found.failure["hints"] == ["python manage.py migrate"]


# -- Celery


def test_celery__broker_is_away(running):
    env = with_settings(running, CELERY_BROKER_URL=f"amqp://site:secret@127.0.0.1:{free_port()}//")
    found = check(running, CELERY, env=env)
    assert found.failure["step"] == "celery broker"
    assert "secret" not in found.output
    assert found.level("celery worker") == "skipped"


def test_celery__other_vhost_than_the_layer(make_site):
    with make_site() as site, make_site() as other:
        layer = {
            "default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": other.vhost.url}}
        }
        found = check(site, CELERY, env=with_settings(site, CHANNEL_LAYERS=layer))
        assert found.level("vhosts") == "warning"
        assert found.failure["text"] == "No worker answers."
        assert "celery -A tests.celery_app worker" in found.failure["hints"]


def test_celery__worker_does_not_know_us(make_site):
    with make_site() as site:
        (site.folder / "other_celery.py").write_text(
            'from celery import Celery\napp = Celery("other")\n'
            'app.config_from_object("django.conf:settings", namespace="CELERY")\n'
        )
        site.celery = "other_celery"
        site.worker()
        found = check(site, "--celery=other_celery")
        assert found.failure["text"] == "worker@tests does not know the tasks of catmaid_notify."


def test_celery__worker_with_another_layer(make_site):
    with make_site() as site, make_site() as other:
        site.user("ann")
        layer = {
            "default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": other.vhost.url}}
        }
        site.env |= with_settings(site, CHANNEL_LAYERS=layer)
        site.worker()
        found = check(site, CELERY, "--user", "ann", env={"DJANGO_SETTINGS_MODULE": "site_settings"})
        assert found.failure["text"] == "A worker stored a message, but its push did not come through within 4 s."
        assert site.run("result = Message.objects.count()") == 0, "taken away all the same"


@slow
def test_celery__worker_with_another_database(make_site):
    with make_site() as site, make_site() as other:
        site.user("ann")
        site.env |= with_settings(site, DATABASES={"default": other._database_settings()})
        site.worker()
        found = check(site, CELERY, "--user", "ann", env={"DJANGO_SETTINGS_MODULE": "site_settings"})
        assert found.failure["text"] == "No worker did the task catmaid_notify.check within 4 s."


# -- The public address


def test_address__nothing_listens(running):
    found = check(running, "--url", f"http://127.0.0.1:{free_port()}/")
    assert found.failure["step"] == "site address"
    assert found.level("static files") == "skipped"


@slow
def test_address__unknown_host(running):
    assert "is not known" in check(running, "--url", "http://no-such-host.invalid/").failure["text"]


@slow
def test_address__host_is_not_allowed(running, front):
    found = check(running, "--url", front().replace("127.0.0.1", "127.0.0.2"))
    assert found.failure["text"].startswith("ALLOWED_HOSTS does not have '127.0.0.2'")


def make_certificate(folder) -> str:
    files = ["-out", str(folder / "site.pem"), "-keyout", str(folder / "site.key")]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run([*new, *subject, *files], check=True, capture_output=True)
    return f"ssl_certificate {folder}/site.pem; ssl_certificate_key {folder}/site.key;"


def test_address__certificate_is_not_trusted(running, front, tmp_path):
    found = check(running, "--url", front(server=make_certificate(tmp_path)))
    assert "The site's certificate is not trusted" in found.failure["text"]
    assert "SSL_CERT_FILE" in found.failure["hints"][0]


def test_asgi__channels_go_to_wsgi(running, front):
    found = check(running, "--url", front(channels="proxy_pass http://127.0.0.1:{wsgi};"))
    assert found.failure["step"] == "ASGI server"
    assert "gives 404: it is answered by the WSGI server" in found.failure["text"]
    assert found.level("upgrade") == "skipped"
    assert found.level("inbox") == "ok"


@slow
def test_asgi__application_has_no_routes(running, front):
    with process.all_stopped():
        port = start_with(running, "plain", {}, application="tests.support.plain_asgi:application")
        found = check(running, "--url", front(asgi=port))
    assert "or by an asgi.py without our routes" in found.failure["text"]


def test_asgi__server_is_down(running, front):
    found = check(running, "--url", front(asgi=free_port()))
    assert "gives 502: the proxy does not reach the ASGI server" in found.failure["text"]


@slow
def test_asgi__redirect(running, front):
    found = check(running, "--url", front(channels="return 301 https://www.example.org$request_uri;"))
    assert "leads to 'https://www.example.org/channels/health/'" in found.failure["text"]


@slow
def test_asgi__something_refuses(running, front):
    assert (
        "gives 403"
        in check(running, "--url", front(channels="deny all; proxy_pass http://127.0.0.1:{asgi};")).failure["text"]
    )


def test_asgi__has_no_broker(running, front, daphne):
    backend = "catmaid_notify.layers.RabbitmqChannelLayer"
    layer = {"BACKEND": backend, "CONFIG": {"host": f"amqp://127.0.0.1:{free_port()}/", "connect_timeout": 1}}
    found = check(running, "--url", front(asgi=daphne(CHANNEL_LAYERS={"default": layer})), "--timeout", "9")
    assert found.failure["text"] == "The ASGI server answers, but its broker fails."


def test_upgrade__is_not_handed_on(running, front):
    found = check(running, "--url", front(headers={"Upgrade": None, "Connection": None}))
    assert found.failure["step"] == "upgrade"
    assert "gives 404: the proxy does not hand the upgrade on" in found.failure["text"]
    assert "proxy_set_header Upgrade $http_upgrade" in found.failure["hints"][0]


# -- Origin and forwarded headers


def test_origin__host_is_not_handed_on(running, front):
    found = check(running, "--url", front(headers={"Host": None}))
    assert found.failure["step"] == "origin"
    assert "proxy_set_header Host $http_host" in found.failure["hints"][0]


@slow
def test_origin__proxy_drops_the_port(running, front):
    found = check(running, "--url", front(headers={"Host": "$host"}))
    assert found.failure["hints"] == [
        "The proxy drops the port. In nginx: proxy_set_header Host $http_host; ($host has no port)."
    ]


def test_origin__nobody_tells_of_tls(running, front, daphne, tmp_path):
    url = front(server=make_certificate(tmp_path))
    env = {"SSL_CERT_FILE": str(tmp_path / "site.pem")}
    found = check(running, "--url", url, env=env)
    assert found.failure["hints"][0] == "The site does not know that it is reached by https."


def test_origin__of_a_site_with_tls(running, front, daphne, tmp_path):
    told = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
    url = front(server=make_certificate(tmp_path), asgi=daphne(**told))
    found = check(running, "--url", url, "--user", "ann", env={"SSL_CERT_FILE": str(tmp_path / "site.pem")})
    assert found.code == 0, found.output
    assert found.level("signed-in socket") == "ok"


@slow
def test_origin__everybody_may(running, front, daphne):
    url = front(asgi=daphne(CATMAID_NOTIFY_ALLOWED_ORIGINS=["https://*.invalid", "https://foreign.invalid"]))
    found = check(running, "--url", url)
    assert found.failure["text"].startswith("Sockets are accepted from pages of any site")


def test_origin__client_can_pretend(running, front, daphne):
    believing = {
        "ALLOWED_HOSTS": ["*"],
        "USE_X_FORWARDED_HOST": True,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    }
    careless = front(asgi=daphne(**believing), headers={"X-Forwarded-Host": None, "X-Forwarded-Proto": None})
    assert check(running, "--url", careless).failure["text"].startswith("A client can pretend")


# -- Sockets


def test_session__is_not_seen(running, front, daphne):
    found = check(running, "--url", front(asgi=daphne(SECRET_KEY="another one")), "--user", "ann")
    assert found.failure["step"] == "signed-in socket"
    assert "is closed with 4401" in found.failure["text"]
    assert found.level("push") == "skipped"


@slow
def test_session__for_https_only(running, front):
    found = check(running, "--url", front(), "--user", "ann", env=with_settings(running, SESSION_COOKIE_SECURE=True))
    assert found.failure["text"].startswith("SESSION_COOKIE_SECURE is on")


def test_push__asgi_server_with_another_vhost(running, front, daphne, vhost):
    layer = {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": vhost.url}}
    found = check(
        running, "--url", front(asgi=daphne(CHANNEL_LAYERS={"default": layer})), "--user", "ann", "--timeout", "2"
    )
    assert found.failure["step"] == "push"
    assert "has another CHANNEL_LAYERS" in found.failure["hints"][0]


def test_idle__proxy_has_less_patience(running, front):
    url = front(channels="proxy_read_timeout 1s; proxy_pass http://127.0.0.1:{asgi};")
    found = check(running, "--url", url, "--user", "ann", "--deep")
    assert found.failure["step"] == "idle socket"
    assert "proxy_read_timeout" in found.failure["hints"][0]
    assert check(running, "--url", url, "--user", "ann").level("idle socket") == "skipped"


# -- Pages


@slow
def test_inbox__wsgi_server_is_down(running, front):
    found = check(running, "--url", front(wsgi=free_port()))
    failed = {one["step"]: one["text"] for one in found.steps if one["level"] == "failed"}
    assert "does not reach the WSGI server" in failed["inbox"]


@slow
def test_inbox__wsgi_server_has_no_urls(running, front):
    found = check(running, "--url", front(server="location /notify/ { return 404; }"))
    assert found.failure["step"] == "inbox"
    assert "gives 404 where 401 is right" in found.failure["text"]


@slow
def test_static__are_missing(running, front):
    found = check(running, "--url", front(server="location /static/ { return 404; }"))
    assert found.failure["step"] == "static files"
    assert "python manage.py collectstatic" in found.failure["hints"]


def test_static__not_served_as_javascript(running, front):
    static = ROOT / "catmaid_notify" / "static"
    url = front(server=f"location /static/ {{ types {{ }} default_type text/plain; alias {static}/; }}")
    assert "has the type 'text/plain'" in check(running, "--url", url).failure["text"]


@slow
def test_static__one_module_is_missing(running, front):
    url = front(server="location = /static/catmaid_notify/core/backoff.js { return 404; }")
    assert "core/backoff.js gives 404" in check(running, "--url", url).failure["text"]


def test_prefix__site_in_a_sub_directory(running, front):
    """The proxy takes the prefix away; addresses have it, as the site's own pages would write them."""
    url = front(
        channels="rewrite ^/sub(/.*)$ $1 break; proxy_pass http://127.0.0.1:{asgi};",
        others="rewrite ^/sub(/.*)$ $1 break; proxy_pass http://127.0.0.1:{wsgi};",
        below="/sub",
    )
    found = check(running, "--url", f"{url}sub/", "--user", "ann")
    assert found.code == 0, found.output
    assert "/sub/notify/unread answers" in found.output
