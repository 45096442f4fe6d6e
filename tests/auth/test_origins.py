from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catmaid_notify.auth import origins
from catmaid_notify.auth.origins import Origin

if TYPE_CHECKING:
    from pytest_django import Settings

SITE = "site.example"


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = [SITE, "127.0.0.1", "[::1]"]


def is_allowed(
    origin: str | None,
    *,
    host: str | None = SITE,
    secure: bool = False,
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> bool:
    headers = list(more)
    if host is not None:
        headers.append((b"host", host.encode("latin-1", "replace")))
    if origin is not None:
        headers.append((b"origin", origin.encode("utf-8", "surrogatepass")))
    return origins.is_allowed(headers, secure=secure)


# -- parse


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://site.example", Origin("http", "site.example", 80)),
        ("https://site.example", Origin("https", "site.example", 443)),
        ("https://site.example:443", Origin("https", "site.example", 443)),
        ("http://site.example:8000", Origin("http", "site.example", 8000)),
        ("http://SITE.example", Origin("http", "site.example", 80)),
        ("http://[::1]:8000", Origin("http", "::1", 8000)),
        ("http://127.0.0.1", Origin("http", "127.0.0.1", 80)),
    ],
)
def test_parse__origin(text: str, origin: Origin) -> None:
    assert origins.parse(text) == origin


NO_ORIGINS = [
    "",
    "null",
    "*",
    "site.example",
    "//site.example",
    "http:",
    "http://",
    "http:///",
    "http:/site.example",
    "http://site.example/",
    "http://site.example/page",
    "http://site.example?",
    "http://site.example?a",
    "http://site.example#",
    "http://site.example#a",
    "http://site.example:",
    "http://site.example:0",
    "http://site.example:080000",
    "http://site.example:65536",
    "http://site.example:-1",
    "http://site.example:a",
    "http://site.example:\u0668\u0660",
    "http://site.example:8000:8000",
    "http://user@site.example",
    "http://@site.example",
    "http://user:password@site.example",
    " http://site.example",
    "http://site.example ",
    "http://site.example\t",
    "http://si\tte.example",
    "ht\ntp://site.example",
    "http://site .example",
    "http://site.example\\.evil.example",
    "http://[",
    "http://]",
    "http://[::1",
    "http://[site.example]",
    "ws://site.example",
    "wss://site.example",
    "file://",
    "file://site.example",
    "chrome-extension://abc",
    "javascript:alert(1)",
    "http://site.example, http://site.example",
    "http://site.example http://evil.example",
    "http://\u2100.example",
]


@pytest.mark.parametrize("text", NO_ORIGINS, ids=ascii)
def test_parse__what_is_no_origin(text: str) -> None:
    assert origins.parse(text) is None


@given(st.text() | st.from_regex(r"(https?|wss?)://[\[\]a-z.:@0-9?#/\t ]{0,20}"))
def test_parse__never_raises(text: str) -> None:
    parsed = origins.parse(text)
    assert parsed is None or parsed.scheme in ("http", "https")


# -- is_allowed: the site's own origin


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://site.example", "site.example", False),
        ("http://site.example", "site.example:80", False),
        ("http://site.example:80", "site.example", False),
        ("https://site.example", "site.example", True),
        ("https://site.example", "site.example:443", True),
        ("http://site.example:8000", "site.example:8000", False),
        ("http://Site.Example", "site.example", False),
        ("http://site.example", "SITE.EXAMPLE", False),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("http://[::1]:8000", "[::1]:8000", False),
    ],
)
def test_is_allowed__own_origin(origin: str, host: str, secure: bool) -> None:  # noqa: FBT001
    assert is_allowed(origin, host=host, secure=secure)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "http://evil.example",
        "http://site.example.evil.example",
        "http://evil-site.example",
        "http://evilsite.example",
        "http://www.site.example",
        "http://site.exampl",
        "http://site.example.",
        "http://xn--ste-rma.example",
        "http://s\u0456te.example",
        "http://site.example:8000",
        "http://site.example:443",
        "https://site.example",
        "https://site.example:80",
        *NO_ORIGINS,
    ],
    ids=ascii,
)
def test_is_allowed__other_origins(origin: str | None) -> None:
    assert not is_allowed(origin)


@pytest.mark.parametrize("origin", ["http://site.example", "http://site.example:443"])
def test_is_allowed__other_scheme_on_a_secure_connection(origin: str) -> None:
    assert not is_allowed(origin, secure=True)


@given(
    st.text(max_size=30)
    | st.from_regex(r"https?://[a-z.:@0-9?#/\t %\\-]{0,25}", fullmatch=True)
    | st.builds("http://{}site.example{}".format, st.text(max_size=4), st.text(max_size=6))
)
def test_is_allowed__nothing_but_the_own_origin(origin: str) -> None:
    if origin.lower() not in ("http://site.example", "http://site.example:80"):
        assert not is_allowed(origin)


@pytest.mark.parametrize("second", [b"http://site.example", b"http://evil.example", b""])
def test_is_allowed__two_origins(second: bytes) -> None:
    assert not is_allowed("http://site.example", more=((b"Origin", second),))


@pytest.mark.parametrize("origin", [b"\xff\xfe", b"http://\xff", b"http://site.example\xa0", b"http://\xedte.example"])
def test_is_allowed__bytes_that_are_no_ascii(origin: bytes) -> None:
    assert not origins.is_allowed([(b"host", SITE.encode()), (b"origin", origin)], secure=False)


# -- is_allowed: the host


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "evil.example"),  # a name of the attacker's that leads here
        ("http://site.example", None),
        ("http://site.example", ""),
        ("http://site.example", "evil.example"),
        ("http://site.example", "site.example/"),
        ("http://site.example", "site.example/evil"),
        ("http://site.example", "user@site.example"),
        ("http://site.example", "site.example, evil.example"),
        ("http://site.example", "["),
        ("http://site.example", "\xff"),
    ],
)
def test_is_allowed__host_that_is_not_ours(origin: str, host: str | None) -> None:
    assert not is_allowed(origin, host=host)


def test_is_allowed__two_hosts() -> None:
    assert not is_allowed("http://site.example", more=((b"host", b"site.example"),))


def test_is_allowed__all_hosts_allowed_still_compares(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert is_allowed("http://any.example", host="any.example")
    assert not is_allowed("http://evil.example", host="any.example")
    assert not is_allowed("http://any.example:8000", host="any.example")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "a.localhost"])
def test_is_allowed__without_allowed_hosts_in_development(settings: Settings, host: str) -> None:
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = True
    assert is_allowed(f"http://{host}", host=host)
    assert not is_allowed("http://evil.example", host="evil.example")


def test_is_allowed__without_allowed_hosts_in_production(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = False
    assert not is_allowed("http://localhost", host="localhost")


# -- is_allowed: behind a proxy


PROTO_HTTPS = ((b"x-forwarded-proto", b"https"),)
PROTO_HTTP = ((b"x-forwarded-proto", b"http"),)


def test_is_allowed__proxys_scheme_is_ignored_unless_trusted() -> None:
    assert not is_allowed("https://site.example", more=PROTO_HTTPS)


def test_is_allowed__trusted_proxys_scheme(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert is_allowed("https://site.example", more=PROTO_HTTPS)
    assert not is_allowed("http://site.example", more=PROTO_HTTPS)
    assert is_allowed("http://site.example", more=PROTO_HTTP)
    assert not is_allowed("https://site.example", more=PROTO_HTTP)


def test_is_allowed__proxys_host_is_ignored_unless_trusted(settings: Settings) -> None:
    forwarded = ((b"x-forwarded-host", b"site.example"),)
    assert not is_allowed("http://site.example", host="127.0.0.1", more=forwarded)
    settings.USE_X_FORWARDED_HOST = True
    assert is_allowed("http://site.example", host="127.0.0.1", more=forwarded)
    assert not is_allowed("http://127.0.0.1", host="127.0.0.1", more=forwarded)


# -- is_allowed: other origins that settings allow


@pytest.mark.parametrize("name", ["CATMAID_NOTIFY_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"])
def test_is_allowed__listed_origin(settings: Settings, name: str) -> None:
    setattr(settings, name, ["https://pages.example:8443"])
    assert is_allowed("https://pages.example:8443")
    assert is_allowed("https://PAGES.example:8443")
    for other in (
        "https://pages.example",
        "http://pages.example:8443",
        "https://a.pages.example:8443",
        "https://pages.example.evil.example:8443",
        "https://evil-pages.example:8443",
        "null",
    ):
        assert not is_allowed(other), other


@pytest.mark.parametrize("name", ["CATMAID_NOTIFY_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"])
def test_is_allowed__listed_subdomains(settings: Settings, name: str) -> None:
    setattr(settings, name, ["https://*.pages.example"])
    assert is_allowed("https://a.pages.example")
    assert is_allowed("https://a.b.pages.example")
    for other in (
        "https://pages.example",
        "https://evilpages.example",
        "https://a.pages.example.evil.example",
        "http://a.pages.example",
        "https://a.pages.example:8443",
    ):
        assert not is_allowed(other), other


@pytest.mark.parametrize(
    "listed", ["", "*", "pages.example", "https://", "https://*", "https://*.", "null", "http://["]
)
def test_is_allowed__useless_setting_allows_nobody(settings: Settings, listed: str) -> None:
    settings.CATMAID_NOTIFY_ALLOWED_ORIGINS = [listed]
    for origin in ("null", "https://evil.example", "https://pages.example", "http://evil.example"):
        assert not is_allowed(origin)


def test_is_allowed__setting_that_is_a_text_by_mistake_allows_nobody(settings: Settings) -> None:
    settings.CATMAID_NOTIFY_ALLOWED_ORIGINS = "https://pages.example"
    assert not is_allowed("https://evil.example")


@given(st.lists(st.tuples(st.sampled_from([b"origin", b"host", b"Origin", b"x"]), st.binary(max_size=30)), max_size=4))
def test_is_allowed__never_raises(headers: list[tuple[bytes, bytes]]) -> None:
    assert origins.is_allowed(headers, secure=False) in (True, False)
