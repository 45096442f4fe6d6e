from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from catmaid_notify.content import ACTION_LENGTH_MAX, KEY_LENGTH_MAX, Content, Level, checked_key
from catmaid_notify.exceptions import InvalidMessage

if TYPE_CHECKING:
    from pytest_django import Settings

# What is no text, or none that both databases and UTF-8 can hold.
BAD_TEXTS: list[Any] = [
    None,
    7,
    b"bytes",
    bytearray(b"bytes"),
    ["a"],
    {"a": 1},
    object(),
    "with \0 in it",
    "a lone \ud800 surrogate",
    "a file name \udc80",
]


@pytest.mark.parametrize("title", [*BAD_TEXTS, "", " ", "\t\n\r", "\u3000", "x" * 201])
def test_checked__bad_title(title: Any) -> None:
    with pytest.raises(InvalidMessage, match="title"):
        Content.checked(title=title)


@pytest.mark.parametrize("text", [*BAD_TEXTS, "x" * 20_001, "x" * 1_000_000])
def test_checked__bad_text(text: Any) -> None:
    with pytest.raises(InvalidMessage, match="text"):
        Content.checked(title="a", text=text)


@pytest.mark.parametrize("action", [*BAD_TEXTS, "/" + "x" * ACTION_LENGTH_MAX])
def test_checked__bad_action_text(action: Any) -> None:
    with pytest.raises(InvalidMessage, match="action"):
        Content.checked(title="a", action=action)


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "<script>", "\u202eevil\u2066", "a\nb\tc", "🧠 ü", ""]
)
def test_checked__text_is_kept_as_it_is(text: str) -> None:
    assert Content.checked(title="a", text=text).text == text


def test_checked__longest_texts_are_kept() -> None:
    content = Content.checked(title="🧠" * 200, text="🧠" * 20_000)
    assert (len(content.title), len(content.text)) == (200, 20_000)


def test_checked__error_is_short_for_a_megabyte() -> None:
    with pytest.raises(InvalidMessage) as raised:
        Content.checked(title="a", text="secret" * 200_000)
    assert len(str(raised.value)) < 200
    assert "secret" not in str(raised.value)


def test_checked__length_limits_are_settings(settings: Settings) -> None:
    settings.CATMAID_NOTIFY_TITLE_LENGTH_MAX = 3
    settings.CATMAID_NOTIFY_TEXT_LENGTH_MAX = 4
    Content.checked(title="abc", text="abcd")
    with pytest.raises(InvalidMessage, match="title"):
        Content.checked(title="abcd")
    with pytest.raises(InvalidMessage, match="text"):
        Content.checked(title="abc", text="abcde")


@pytest.mark.parametrize("lazy", [lazystr("finished"), gettext_lazy("finished"), mark_safe("finished")])
def test_checked__lazy_and_safe_strings_become_plain(lazy: Any) -> None:
    content = Content.checked(title=lazy, text=lazy)
    assert (content.title, content.text) == ("finished", "finished")
    assert isinstance(content.title, str)


def test_checked__lazy_string_is_checked_too() -> None:
    with pytest.raises(InvalidMessage, match="NUL"):
        Content.checked(title=lazystr("a\0"))


@pytest.mark.parametrize(
    "action",
    [
        "",
        "/crops/7/",
        "/crops/7/?a=1&b=2#c",
        "/a//b",
        "/" + "é" * (ACTION_LENGTH_MAX - 1),
        "http://example.org",
        "https://example.org:8443/a?b=c#d",
        "HTTPS://EXAMPLE.ORG/",
        "https://[2001:db8::1]/a",
    ],
)
def test_checked__good_action(action: str) -> None:
    assert Content.checked(title="a", action=action).action == action


@pytest.mark.parametrize(
    "action",
    [
        "crops/7",  # another page in CATMAID's redirect than in a link of ours
        "?page=2",
        "#top",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "javascript\r:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "blob:https://example.org/1",
        "file:///etc/passwd",
        "mailto:a@example.org",
        "ftp://example.org/",
        "view-source:https://example.org",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/a b",
        "/a\x7fb",
        "/a\x1bb",
        "http:",
        "http:evil.example",
        "http:/evil.example",
        "http:///evil.example",
        "https:\\\\evil.example",
        "http://[",
        "http://[::1",
        "http://\u2100.example",  # normalises to a/c, which another parser takes for a path
    ],
)
def test_checked__bad_action(action: str) -> None:
    with pytest.raises(InvalidMessage, match="action"):
        Content.checked(title="a", action=action)


def as_browsers_read(action: str) -> str:
    """Return where a link leads from a page of the site, by the steps of the URL standard that matter here."""
    cleaned = action.strip("".join(map(chr, range(0x21))))
    for dropped in "\t\n\r":
        cleaned = cleaned.replace(dropped, "")
    return urljoin("https://site.example/page/", cleaned.replace("\\", "/"))


@given(st.text(alphabet=st.sampled_from("/\\:.@?#\t\n\r \0ahtps[]j\u00a0\u3000e"), max_size=12))
def test_checked__relative_actions_never_leave_the_site(action: str) -> None:
    try:
        accepted = Content.checked(title="a", action=action).action
    except InvalidMessage:
        return
    target = urlsplit(as_browsers_read(accepted))
    if not accepted.lower().startswith(("http://", "https://")):
        assert (target.scheme, target.netloc) == ("https", "site.example")
    assert target.scheme in ("http", "https")


@given(st.text())
def test_checked__never_raises_anything_else(text: str) -> None:
    try:
        content = Content.checked(title=text, text=text, action=text, level=text)
    except InvalidMessage:
        return
    content.title.encode()


@pytest.mark.parametrize("level", ["info", "success", "warning", "error"])
def test_checked__levels(level: str) -> None:
    assert Content.checked(title="a", level=level).level == level


def test_checked__level_of_the_enumeration_becomes_a_string() -> None:
    assert type(Content.checked(title="a", level=Level.WARNING).level) is str


@pytest.mark.parametrize("level", ["", "INFO", "debug", "info ", None, 20, b"info", ["info"]])
def test_checked__bad_level(level: Any) -> None:
    with pytest.raises(InvalidMessage, match="info, success, warning, error"):
        Content.checked(title="a", level=level)


@pytest.mark.parametrize("key", [*(bad for bad in BAD_TEXTS if bad is not None), "x" * (KEY_LENGTH_MAX + 1)])
def test_checked_key__bad(key: Any) -> None:
    with pytest.raises(InvalidMessage, match="key"):
        checked_key(key)


@pytest.mark.parametrize("key", [None, "crop:7", "x" * KEY_LENGTH_MAX])
def test_checked_key__good(key: str | None) -> None:
    assert checked_key(key) == key
