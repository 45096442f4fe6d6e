"""The site as a browser finds it: address, ASGI server, upgrade, origin, a signed-in socket."""

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
"""An origin that is nobody's: the name is reserved for that."""
IDLE_SPARE_SECONDS: Final = 3
TO_ASGI: Final = (
    "In nginx: location /channels/ { proxy_pass … } to the ASGI server; manage.py notify_config nginx prints it."
)
UPGRADE: Final = (
    'In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; '
    "other proxies have such settings, too."
)


def address(visit: Visit) -> Iterator[Finding]:
    """Connect, with TLS where the address says so."""
    site = visit.site
    try:
        get(site, site.path(HEALTH), timeout=visit.timeout)
    except socket.gaierror as error:
        yield failed(f"The host {site.host!r} is not known: {error}", "Mend --url, or DNS.")
    except ssl.SSLCertVerificationError as error:
        yield failed(
            f"The site's certificate is not trusted: {error.verify_message}",
            "Browsers open no socket then. For an authority of your own: SSL_CERT_FILE=ca.pem manage.py notify_check …",
        )
    except ConnectionRefusedError:
        yield failed(f"Nothing listens on {site.host}:{site.port}.", "Start the proxy, or mend --url.")
    except OSError as error:
        yield failed(f"{site} does not answer: {error}", "Is it the right scheme and port, and does the proxy run?")
    else:
        yield _host_is_allowed(site)


def _updates(visit: Visit) -> str:
    """Return the path of the socket as pages have it."""
    return conf.UPDATES_PATH or visit.site.path("channels/updates/")


def _host_is_allowed(site: Address) -> Finding:
    allowed = settings.ALLOWED_HOSTS or (origins.LOCAL_HOSTS if settings.DEBUG else ())
    host = split_domain_port(site.host_header)[0]
    if not validate_host(host, allowed):
        return failed(f"ALLOWED_HOSTS does not have {host!r}: {', '.join(allowed) or 'it is empty'}", "Add it.")
    return ok(f"{site} answers")


def health(visit: Visit) -> Iterator[Finding]:
    """See that the ASGI server answers, not the WSGI server, and that it is well."""
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
        "broker": "It has other settings than this command, or can't reach the broker: restart it, and see its log.",
        "database": "It has other settings than this command, or can't reach the database: see its log.",
        "hub": "Restart it, and look for an error of catmaid_notify in its log.",
    }
    return failed(
        f"The ASGI server answers, but its {' and '.join(failing)} fails.", *(hints[name] for name in failing)
    )


def _no_health(answer: Answer) -> Finding:
    where, status = HEALTH, answer.status
    if status in (502, 503, 504):
        return failed(
            f"{where} gives {status}: the proxy does not reach the ASGI server.",
            "Does it run, on the address or unix socket that the proxy has, and may the proxy's user open that socket?",
        )
    if status in (301, 302, 307, 308):
        return failed(f"{where} leads to {answer.headers.get('location')!r}.", "Give that address by --url.")
    if status == 404:
        return failed(
            f"{where} gives 404: it is answered by the WSGI server, or by an asgi.py without our routes.",
            TO_ASGI,
            "And in asgi.py: application = catmaid_notify.routing.application(), after django.setup().",
        )
    if status == 403:
        return failed(f"{where} gives 403: something in front of the ASGI server refuses it.", "Look into its rules.")
    return failed(f"{where} gives {status}, which is not what the ASGI server says.", TO_ASGI)


def upgrade(visit: Visit) -> Iterator[Finding]:
    """Open a socket as a page of the site does, and a foreign page must not."""
    site = visit.site
    try:
        WebSocket.opened(site, _updates(visit), origin=site.origin, timeout=visit.timeout).close()
    except NotUpgraded as answer:
        if answer.status == 403:
            yield ok("passes the proxy")  # why it is refused is the next step
        else:
            yield _not_upgraded(answer)
    else:
        yield ok("passes the proxy")


def _not_upgraded(answer: NotUpgraded) -> Finding:
    if answer.status in (502, 503, 504):
        return failed(f"The handshake gives {answer.status}.", "Does the ASGI server run, and is it not overloaded?")
    if answer.status == 500:
        return failed(
            "The handshake gives 500: the ASGI application can't take sockets.",
            "In asgi.py: application = catmaid_notify.routing.application(), after django.setup(). Its log says more.",
        )
    if answer.status == 101:
        return failed("Something answers the handshake that is no WebSocket server.", UPGRADE)
    return failed(
        f"The handshake gives {answer.status}: the proxy does not hand the upgrade on, or hands it to the WSGI server.",
        UPGRADE,
    )


def origin(visit: Visit) -> Iterator[Finding]:
    """See that the site's own pages may open sockets, that others may not, and that nobody can pretend."""
    site = visit.site
    if not _accepts(visit, site.origin):
        yield failed(f"Sockets from {site.origin} are refused with 403.", *_why_refused(visit))
        return
    if _accepts(visit, FOREIGN):
        yield failed(
            f"Sockets are accepted from pages of any site, {FOREIGN} say: they could read the messages of your users.",
            "Mend CATMAID_NOTIFY_ALLOWED_ORIGINS and CSRF_TRUSTED_ORIGINS, or the consumer that serves the sockets.",
        )
    elif _accepts(visit, FOREIGN, f"X-Forwarded-Host: {FOREIGN.rpartition('/')[2]}", "X-Forwarded-Proto: https"):
        yield failed(
            "A client can pretend to reach the site under another name: X-Forwarded-Host is believed.",
            "Let the proxy set it: proxy_set_header X-Forwarded-Host $http_host; and take '*' out of ALLOWED_HOSTS.",
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
    """Find out under which name the request has reached the site: a page of that name is accepted."""
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
        "The host does not arrive as the browser sends it. In nginx: proxy_set_header Host $http_host;",
        "Does the ASGI server have the same ALLOWED_HOSTS as this command? Restart it.",
        f"Or add {site.origin!r} to CSRF_TRUSTED_ORIGINS.",
    ]


def session(visit: Visit) -> Iterator[Finding]:
    """Open a socket as the user, who is signed in for as long as this command runs."""
    site, user = visit.site, visit.user
    if user is None:
        yield skipped("give --user NAME: this user is signed in as long as the command runs")
        return
    if not user.is_active:
        yield failed(f"The account {user.get_username()!r} is not active.", "Name another user by --user.")
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
        yield failed(f"The site takes the user for {visit.hello.get('user')!r}.", "Has it another database?")
        return
    visit.socket = opened
    yield ok(f"the socket says hello, and answers in {answered * 1000:.0f} ms")


def _why_closed(code: int) -> list[str]:
    if code == Close.NO_SESSION:
        return [
            "The ASGI server does not see the session. SESSION_ENGINE, its database or cache, SECRET_KEY and",
            "SESSION_COOKIE_NAME must be the same there, and the proxy has to hand the cookie on.",
        ]
    if code == Close.NO_BROKER:
        return ["The ASGI server has no broker or no database: see /channels/health/ and its log."]
    if code == Close.TOO_MANY_SOCKETS:
        return ["This user has CATMAID_NOTIFY_SOCKETS_PER_USER sockets; take another one, or raise the setting."]
    return ["Look into the log of the ASGI server, and of the proxy."]


def push(visit: Visit) -> Iterator[Finding]:
    """Send an event from this process to the user's socket. Only our own client gets it, and it ignores it."""
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
            f"What this process sends does not reach the socket: {error}",
            "The ASGI server has another CHANNEL_LAYERS than these settings: restart it.",
        )
    else:
        yield ok(f"an event of this process reached the socket in {(time.monotonic() - began) * 1000:.0f} ms")


def idle(visit: Visit) -> Iterator[Finding]:
    """Keep the socket for longer than the server is silent: a proxy with less patience closes it."""
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
        yield warning(f"No ping came in {seconds:g} s.", "Is the ASGI server overloaded?")
    except OSError as error:
        yield failed(
            f"A silent socket was cut after {time.monotonic() - began:.0f} s: {error}",
            f"Let the proxy wait longer than {seconds - IDLE_SPARE_SECONDS:g} s (in nginx: proxy_read_timeout 75s;), "
            "or set CATMAID_NOTIFY_PING_SECONDS lower.",
        )
    else:
        yield ok(f"the socket stayed open in silence, for {time.monotonic() - began:.0f} s")
