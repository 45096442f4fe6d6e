"""Steps from a browser's side of the proxy: address, ASGI server, upgrade, origin, a signed-in socket."""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from catmaid_notify import push as push_module
from catmaid_notify.auth import origins
from catmaid_notify.conf import conf
from catmaid_notify.doctor.address import Address
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, failed, ok, skipped, warning
from catmaid_notify.doctor.http import Answer, get
from catmaid_notify.doctor.session import temporary_session
from catmaid_notify.doctor.websocket import Closed, NotUpgraded, WebSocket
from catmaid_notify.protocol import LAYER_TYPE, Close, Event, frame, user_group, user_key

HEALTH: Final = "channels/health/"
FOREIGN: Final = "https://foreign.invalid"
"""Origin that belongs to no site: RFC 2606 reserves the domain ``invalid``."""
IDLE_SPARE_SECONDS: Final = 3
"""Seconds after the ping interval in which the ping must have come."""
TO_ASGI: Final = (
    "In nginx: location /channels/ { proxy_pass … } to the ASGI server; manage.py notify_config nginx prints it."
)
UPGRADE: Final = (
    'In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; '
    "other proxies have similar settings."
)


def address(visit: Visit) -> Iterator[Finding]:
    """Connect to the public address, with TLS for https."""
    site = visit.site
    try:
        get(site, site.path(HEALTH), timeout=visit.timeout)
    except socket.gaierror as error:
        yield failed(f"The host {site.host!r} is not known: {error}", "Correct --url, or add the host to DNS.")
    except ssl.SSLCertVerificationError as error:
        yield failed(
            f"The site's certificate is not trusted: {error.verify_message}",
            "Browsers would open no socket. For a certificate authority of your own run: "
            "SSL_CERT_FILE=ca.pem manage.py notify_check …",
        )
    except ConnectionRefusedError:
        yield failed(f"Nothing listens on {site.host}:{site.port}.", "Start the proxy, or correct --url.")
    except OSError as error:
        yield failed(f"{site} does not answer: {error}", "Check the scheme and port of --url, and that the proxy runs.")
    else:
        yield _host_is_allowed(site)


def _updates(visit: Visit) -> str:
    """Return the path on which pages open their socket."""
    return conf.UPDATES_PATH or visit.site.path("channels/updates/")


def _host_is_allowed(site: Address) -> Finding:
    allowed = settings.ALLOWED_HOSTS or (origins.LOCAL_HOSTS if settings.DEBUG else ())
    host = split_domain_port(site.host_header)[0]
    if not validate_host(host, allowed):
        return failed(
            f"ALLOWED_HOSTS does not have {host!r}: {', '.join(allowed) or 'it is empty'}",
            f"Add {host!r} to ALLOWED_HOSTS.",
        )
    return ok(f"{site} answers")


def health(visit: Visit) -> Iterator[Finding]:
    """Request the health report, which only the ASGI server gives, and read it."""
    site = visit.site
    answer = get(site, site.path(HEALTH), timeout=visit.timeout)
    report = answer.json
    if answer.status in (200, 503) and isinstance(report, dict) and "hub" in report:
        yield _health_of(report, visit)
    else:
        yield _no_health(answer)


def _health_of(report: dict[str, object], visit: Visit) -> Finding:
    failing = [name for name in ("broker", "database", "hub") if report.get(name) != "ok"]
    if not failing:
        return ok(f"the ASGI server is well and holds {report.get('sockets')} sockets")
    hints = {
        "broker": "Its settings differ from this command's, or it can't reach the broker: restart it, and see its log.",
        "database": "Its settings differ from this command's, or it can't reach the database: see its log.",
        "hub": "Restart the ASGI server, and look for an error of catmaid_notify in its log.",
    }
    return failed(
        f"The ASGI server answers, but its {' and '.join(failing)} fails.", *(hints[name] for name in failing)
    )


def _no_health(answer: Answer) -> Finding:
    where, status = HEALTH, answer.status
    if status in (502, 503, 504):
        return failed(
            f"{where} gives {status}: the proxy does not reach the ASGI server.",
            "Start the ASGI server on the address or unix socket that the proxy uses. The account of the proxy must be "
            "able to open that socket.",
        )
    if status in (301, 302, 307, 308):
        return failed(f"{where} leads to {answer.headers.get('location')!r}.", "Give that address by --url.")
    if status == 404:
        return failed(
            f"{where} gives 404: it is answered by the WSGI server, or by an asgi.py without our routes.",
            TO_ASGI,
            "In asgi.py: application = catmaid_notify.routing.application(), after django.setup().",
        )
    if status == 403:
        return failed(
            f"{where} gives 403: something in front of the ASGI server refuses it.",
            "Check the access rules of the proxy and of firewalls.",
        )
    return failed(f"{where} gives {status}, which is not an answer of the ASGI server.", TO_ASGI)


def upgrade(visit: Visit) -> Iterator[Finding]:
    """Open a socket without a session, with the origin of the site."""
    site = visit.site
    try:
        WebSocket.opened(site, _updates(visit), origin=site.origin, timeout=visit.timeout).close()
    except NotUpgraded as answer:
        if answer.status == 403:
            yield ok("passes the proxy")  # the ASGI server refuses the origin; the next step finds out why
        else:
            yield _not_upgraded(answer)
    else:
        yield ok("passes the proxy")


def _not_upgraded(answer: NotUpgraded) -> Finding:
    if answer.status in (502, 503, 504):
        return failed(f"The handshake gives {answer.status}.", "Check that the ASGI server runs, and its load.")
    if answer.status == 500:
        return failed(
            "The handshake gives 500: the ASGI application can't take sockets.",
            "In asgi.py: application = catmaid_notify.routing.application(), after django.setup(). See the log of the "
            "ASGI server.",
        )
    if answer.status == 101:
        return failed("The server that answers the handshake is not a WebSocket server.", UPGRADE)
    return failed(
        f"The handshake gives {answer.status}: the proxy does not hand the upgrade on, or hands it to the WSGI server.",
        UPGRADE,
    )


def origin(visit: Visit) -> Iterator[Finding]:
    """Open sockets with the origin of the site, a foreign one, and a forged host; only the first may be accepted."""
    site = visit.site
    if not _accepts(visit, site.origin):
        yield failed(f"Sockets from {site.origin} are refused with 403.", *_why_refused(visit))
        return
    if _accepts(visit, FOREIGN):
        yield failed(
            f"Sockets are accepted from pages of any site, such as {FOREIGN}: they could read your users' messages.",
            "Correct CATMAID_NOTIFY_ALLOWED_ORIGINS and CSRF_TRUSTED_ORIGINS, or the consumer that serves the sockets.",
        )
    elif _accepts(visit, FOREIGN, f"X-Forwarded-Host: {FOREIGN.rpartition('/')[2]}", "X-Forwarded-Proto: https"):
        yield failed(
            "A client can pretend to reach the site under another name: the site trusts the client's X-Forwarded-Host.",
            "Let the proxy set that header: proxy_set_header X-Forwarded-Host $http_host; "
            "and remove '*' from ALLOWED_HOSTS.",
        )
    else:
        yield ok(f"{site.origin} may, others may not")


def _accepts(visit: Visit, origin: str, *headers: str) -> bool:
    site = visit.site
    try:
        WebSocket.opened(site, _updates(visit), origin=origin, headers=headers, timeout=visit.timeout).close()
    except NotUpgraded:
        return False
    return True


def _why_refused(visit: Visit) -> list[str]:
    """Return hints for a refused origin. An accepted variant of the origin shows which header the proxy loses."""
    site = visit.site
    if site.is_secure and _accepts(visit, f"http://{site.host_header}"):
        return [
            "The site does not know that it is reached by https.",
            "In nginx: proxy_set_header X-Forwarded-Proto $scheme;",
            'In the settings: SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https").',
        ]
    if site.host_header != site.host and _accepts(visit, f"{site.scheme}://{site.host}"):
        return ["The proxy drops the port. In nginx: proxy_set_header Host $http_host; ($host has no port)."]
    return [
        "The proxy changes the Host header of the browser. In nginx: proxy_set_header Host $http_host;",
        "Or the ASGI server has another ALLOWED_HOSTS than this command: restart it.",
        f"Or add {site.origin!r} to CSRF_TRUSTED_ORIGINS.",
    ]


def session(visit: Visit) -> Iterator[Finding]:
    """Open a socket with a temporary session of the user, and wait for the hello."""
    site, user = visit.site, visit.user
    if user is None:
        yield skipped("give --user NAME: this user is signed in as long as the command runs")
        return
    if not user.is_active:
        yield failed(f"The account {user.get_username()!r} is not active.", "Give another user by --user.")
        return
    if settings.SESSION_COOKIE_SECURE and not site.is_secure:
        yield failed("SESSION_COOKIE_SECURE is on: browsers send the session by https only.", "Give the https address.")
        return
    cookie = visit.closing.enter_context(temporary_session(user))
    opened = WebSocket.opened(site, _updates(visit), origin=site.origin, cookie=cookie, timeout=visit.timeout)
    visit.closing.callback(opened.close)
    try:
        hello = opened.wait_for(lambda received: received.get("event") == Event.HELLO, visit.timeout)
        answered = opened.ping(visit.timeout)
    except Closed as closed:
        yield failed(f"The socket of a signed-in user is closed with {closed.code}.", *_why_closed(closed.code))
        return
    visit.hello = hello["payload"]
    if visit.hello.get("user") != user_key(user.pk):
        yield failed(
            f"The site takes the user for {visit.hello.get('user')!r}.",
            "The ASGI server seems to have another database than this command: compare DATABASES.",
        )
        return
    visit.socket = opened
    yield ok(f"the socket says hello, and answers in {answered * 1000:.0f} ms")


def _why_closed(code: int) -> list[str]:
    if code == Close.NO_SESSION:
        return [
            "The ASGI server does not find the session. SESSION_ENGINE, its database or cache, SECRET_KEY and",
            "SESSION_COOKIE_NAME must be the same there, and the proxy has to hand the cookie on.",
        ]
    if code == Close.NO_BROKER:
        return ["The ASGI server can't reach its broker or database: see /channels/health/ and its log."]
    if code == Close.TOO_MANY_SOCKETS:
        return ["This user has CATMAID_NOTIFY_SOCKETS_PER_USER sockets: give another user, or raise the setting."]
    return ["See the logs of the ASGI server and of the proxy."]


def push(visit: Visit) -> Iterator[Finding]:
    """Send an event from this process to the user's socket.

    Plain sockets don't get the event, since their clients fail on events that they don't know; our client ignores it.
    """
    if visit.socket is None:
        yield skipped("there is no socket")
        return
    nonce, began = secrets.token_hex(8), time.monotonic()
    text = frame("catmaid-notify-check", {"nonce": nonce})
    push_module.push(user_group(visit.user.pk), {"type": LAYER_TYPE, "v1": text})
    try:
        visit.socket.wait_for(lambda received: nonce in str(received.get("payload")), visit.timeout)
    except OSError as error:
        yield failed(
            f"An event of this process does not reach the socket: {error}",
            "The ASGI server has another CHANNEL_LAYERS than these settings: restart it.",
        )
    else:
        yield ok(f"an event of this process reached the socket in {(time.monotonic() - began) * 1000:.0f} ms")


def idle(visit: Visit) -> Iterator[Finding]:
    """Hold the socket for longer than the server's ping interval, to find a proxy whose time-out is shorter."""
    if visit.socket is None:
        yield skipped("there is no socket")
        return
    seconds = float(visit.hello.get("ping_ms", 0)) / 1000 + IDLE_SPARE_SECONDS
    if not visit.deep:
        yield skipped(f"--deep waits {seconds:g} s to see that a silent socket stays open")
        return
    began = time.monotonic()
    try:
        visit.socket.wait_for(lambda received: received.get("event") == Event.PING, seconds)
        visit.socket.ping(visit.timeout)
    except TimeoutError:
        yield warning(f"No ping came in {seconds:g} s.", "Check the load of the ASGI server.")
    except OSError as error:
        yield failed(
            f"A silent socket was cut after {time.monotonic() - began:.0f} s: {error}",
            f"Let the proxy wait longer than {seconds - IDLE_SPARE_SECONDS:g} s (in nginx: proxy_read_timeout 75s;), "
            "or lower CATMAID_NOTIFY_PING_SECONDS.",
        )
    else:
        yield ok(f"the socket stayed open in silence, for {time.monotonic() - began:.0f} s")
