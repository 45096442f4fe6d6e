"""Origin check of WebSocket handshakes, against cross-site hijacking: browsers send cookies along from any page.

Scheme, host and port of the page must be those under which the request reached the site, or be allowed by a setting.
Channels' ``AllowedHostsOriginValidator`` is less strict: it accepts other schemes and ports, and every host if
``ALLOWED_HOSTS`` is ``["*"]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from catmaid_notify.conf import conf

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
SERIALIZED: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?", re.ASCII
)
"""A serialized origin, RFC 6454, section 6.2. URL parsers accept much more."""
LOCAL_HOSTS: Final = (".localhost", "127.0.0.1", "[::1]")
"""Hosts that Django allows while ``DEBUG`` is on and ``ALLOWED_HOSTS`` is empty."""

Headers = Iterable[tuple[bytes, bytes]]


class Origin(NamedTuple):
    """Scheme, host in lower case, and port."""

    scheme: str
    host: str
    port: int


def parse(text: str) -> Origin | None:
    """Parse the value of an ``Origin`` header; ``None`` if it is not valid."""
    match = SERIALIZED.fullmatch(text)
    if match is None:
        return None
    scheme, host = match["scheme"], match["host"].lower().strip("[]")
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[scheme]
    return Origin(scheme, host, port) if 0 < port < 65536 else None


def is_allowed(headers: Headers, *, secure: bool) -> bool:
    """Return ``True`` if a handshake with these headers comes from a page that may open a socket.

    Args:
        headers: Raw headers of the ASGI scope.
        secure: The connection to this server is TLS. Behind a proxy, ``SECURE_PROXY_SSL_HEADER`` decides instead.
    """
    origins = _values(headers, b"origin")
    if len(origins) != 1:
        return False
    origin = parse(origins[0])
    if origin is None:
        return False
    return origin == own(headers, secure=secure) or any(
        _matches(origin, allowed) for allowed in (*conf.ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS)
    )


def own(headers: Headers, *, secure: bool) -> Origin | None:
    """Return the origin under which a request reached the site; ``None`` if its host is not allowed."""
    names = (b"x-forwarded-host", b"host") if settings.USE_X_FORWARDED_HOST else (b"host",)
    hosts = next((found for name in names if (found := _values(headers, name))), [])
    if len(hosts) != 1:
        return None
    allowed_hosts = settings.ALLOWED_HOSTS or (LOCAL_HOSTS if settings.DEBUG else ())
    if not validate_host(split_domain_port(hosts[0])[0], allowed_hosts):
        return None
    return parse(f"{'https' if _is_secure(headers, secure=secure) else 'http'}://{hosts[0]}")


def _is_secure(headers: Headers, *, secure: bool) -> bool:
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return secure
    key, wanted = settings.SECURE_PROXY_SSL_HEADER
    values = _values(headers, key.removeprefix("HTTP_").replace("_", "-").lower().encode())
    return values[0].split(",")[0].strip() == wanted if values else secure


def _matches(origin: Origin, allowed: str) -> bool:
    """Compare an origin with one entry of a setting; its host may begin with ``*.``, as in ``CSRF_TRUSTED_ORIGINS``."""
    wanted = parse(allowed.replace("://*.", "://", 1))
    if wanted is None or (origin.scheme, origin.port) != (wanted.scheme, wanted.port):
        return False
    if "://*." in allowed:
        return origin.host.endswith("." + wanted.host)
    return origin.host == wanted.host


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]
