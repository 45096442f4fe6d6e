"""The browser client as the server knows it: the template tag, the modules' own URL, and the wire's constants."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, staticfiles_storage
from django.core.management import call_command
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import clear_script_prefix, set_script_prefix

from catmaid_notify.protocol import SUBPROTOCOL, Close, Event
from catmaid_notify.templatetags import catmaid_notify as tag
from catmaid_notify.views import js_modules
from tests.support.node import node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from pytest_django import Settings


NOT_LOADED: set[str] = {"catmaid.js"}
"""Modules that a page of the template tag has no use for."""
ON_DEMAND: set[str] = {
    "core/tasks.js",
    "core/topics.js",
    "ui/desktop.js",
    "ui/pager.js",
    "ui/panel.js",
    "ui/relative_time.js",
    "ui/task_list.js",
}
"""Modules that are loaded when somebody needs them."""


@pytest.fixture
def script_prefix() -> Iterator[str]:
    set_script_prefix("/catmaid/")
    yield "/catmaid/"
    clear_script_prefix()


def render(source: str = "{% catmaid_notify %}", *, user: Any = None, **context: Any) -> str:
    request: Any = RequestFactory().get("/")
    request.user = User(pk=7) if user is None else user
    if "csp_nonce" in context:
        request.csp_nonce = context.pop("csp_nonce")
    return Template("{% load catmaid_notify %}" + source).render(Context({"request": request, **context}))


def attributes(html: str) -> dict[str, str]:
    script = re.search(r"<script ([^>]*)></script>", html)
    assert script, html
    return dict(re.findall(r'([\w-]+)="([^"]*)"', script[1]))


def test_tag__what_the_client_needs(script_prefix: str) -> None:
    found = attributes(render())
    assert (
        found.items()
        >= {
            "type": "module",
            "data-user": "7",
            "data-unread-url": f"{script_prefix}notify/unread",
            "data-messages-url": f"{script_prefix}notify/messages",
            "data-read-url": f"{script_prefix}notify/read",
            "data-topics-url": f"{script_prefix}notify/topics",
            "data-updates-path": f"{script_prefix}channels/updates/",
            "data-poll-ms": "60000",
            "data-csrf-cookie": "csrftoken",
            "data-mount": "catmaid-notify",
        }.items()
    )
    assert not {"data-csrf-token", "nonce"} & found.keys()


def test_tag__core_only() -> None:
    html = render("{% catmaid_notify ui=False %}")
    assert 'rel="stylesheet"' not in html
    assert "<div" not in html
    assert "data-mount" not in attributes(html)


def test_tag__inbox() -> None:
    html = render()
    parts = re.findall(r'data-part="([\w-]+)"', html)
    used = re.findall(
        r"""(?:part|copy)\([\w.#]+, "(\w+)"\)""", "".join(map(bytes.decode, js_modules.contents().values()))
    )
    assert set(used) <= set(parts)
    assert {"info", "success", "warning", "error"} <= set(parts), "an icon for each level"
    assert render("{% catmaid_notify_inbox %}").strip() in html
    assert not re.search(r"style=|<script(?![^>]*src=)|\son\w+=", html), "nothing that a strict policy refuses"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(60, "checking every 60 seconds."), (0.5, "checking every second."), (2.4, "every 2 seconds.")],
)
def test_tag__how_often_is_said(settings: Settings, seconds: float, words: str) -> None:
    settings.CATMAID_NOTIFY_POLL_SECONDS = seconds
    assert words in render()


def test_tag__each_state_of_the_client_has_its_words() -> None:
    states = set(" ".join(re.findall(r'data-when="([\w ]+)"', render())).split())
    declared = re.search(r"export type State = ([^;]+);", (js_modules.DIRECTORY / "index.d.ts").read_text())
    assert declared
    assert set(re.findall(r'"(\w+)"', declared[1])) <= states


def test_tag__nobody_is_signed_in() -> None:
    assert render(user=AnonymousUser()).strip() == ""


def test_tag__without_a_request() -> None:
    assert Template("{% load catmaid_notify %}{% catmaid_notify %}").render(Context()).strip() == ""


def test_tag__nonce() -> None:
    html = render(csp_nonce="abc+/=")
    assert html.count('nonce="abc+/="') == html.count("<link ") + html.count("<script ")


def preloaded(html: str) -> list[str]:
    return re.findall(r'<link rel="modulepreload" href="/static/catmaid_notify/([\w/]+\.js)">', html)


def test_tag__modules_are_asked_for_at_once_if_they_are_needed_at_once() -> None:
    with_bell = {"auto.js", *preloaded(render())}
    without = {"auto.js", *preloaded(render("{% catmaid_notify ui=False %}"))}
    assert set(js_modules.contents()) - with_bell == ON_DEMAND | NOT_LOADED
    assert {"ui/inbox.js", "ui/toasts.js"} <= with_bell - without
    assert "core/notifier.js" in without


def test_modules__what_is_loaded_on_demand_is_known_and_served(client: Client) -> None:
    assert set(js_modules.on_demand("auto.js", "ui/inbox.js")) == ON_DEMAND
    loaded = {"core/topics.js", "core/tasks.js", "ui/inbox.js", "ui/panel.js", "ui/pager.js"}
    assert loaded <= set(js_modules.on_demand("auto.js"))
    assert "core/notifier.js" not in js_modules.on_demand("auto.js")
    for name in js_modules.on_demand("auto.js"):
        assert client.get(f"/notify/client/{js_modules.version()}/{name}").status_code == 200


@pytest.mark.parametrize("name", ["CSRF_USE_SESSIONS", "CSRF_COOKIE_HTTPONLY"])
def test_tag__csrf_cookie_that_scripts_cannot_read(settings: Settings, name: str) -> None:
    setattr(settings, name, True)
    request: Any = RequestFactory().get("/")
    request.user = User(pk=7)
    request.session = {}
    html = Template("{% load catmaid_notify %}{% catmaid_notify %}").render(Context({"request": request}))
    assert len(attributes(html)["data-csrf-token"]) == 64


def test_tag__settings(settings: Settings) -> None:
    settings.CATMAID_NOTIFY_POLL_SECONDS = 0.5
    settings.CATMAID_NOTIFY_UPDATES_PATH = "/elsewhere/"
    settings.CSRF_COOKIE_NAME = "lab"
    settings.USE_THOUSAND_SEPARATOR = True
    found = attributes(render())
    assert found["data-poll-ms"] == "500"
    assert found["data-updates-path"] == "/elsewhere/"
    assert found["data-csrf-cookie"] == "lab"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("/static/catmaid_notify/auto.js", False),
        ("/static/catmaid_notify/auto.0123456789ab.js", True),
        ("https://cdn.example/static/catmaid_notify/auto.js", True),
        ("//cdn.example/static/catmaid_notify/auto.js", True),
    ],
)
def test_url_of__where_relative_imports_work(monkeypatch: pytest.MonkeyPatch, url: str, *, own: bool) -> None:
    monkeypatch.setattr(tag, "static", lambda _name: url)
    assert tag.url_of("auto.js") == (f"/notify/client/{js_modules.version()}/auto.js" if own else url)


def test_url_of__module_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tag.url_of("core/sync.js") == "/static/catmaid_notify/core/sync.js"
    monkeypatch.setattr(tag, "static", lambda _name: "/static/catmaid_notify/core/sync.0123456789ab.js")
    assert tag.url_of("core/sync.js") == f"/notify/client/{js_modules.version()}/core/sync.js"


def test_url_of__storage_that_rewrites_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag, "static", lambda _name: "/static/catmaid_notify/auto.0123456789ab.js")
    monkeypatch.setattr(staticfiles_storage, "support_js_module_import_aggregation", True, raising=False)
    assert tag.url_of("auto.js").startswith("/static/")


class Aggregating(ManifestStaticFilesStorage):
    """What a site has that lets Django rewrite the paths in scripts."""

    support_js_module_import_aggregation = True


def test_modules__find_each_other_where_django_rewrites_their_paths(settings: Settings, tmp_path: Path) -> None:
    backend = f"{__name__}.{Aggregating.__name__}"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.STATIC_ROOT = str(tmp_path)
    call_command("collectstatic", interactive=False, verbosity=0)
    written = tmp_path.resolve() / "catmaid_notify"

    def module(path: Path) -> str:
        return re.sub(r"\.[0-9a-f]{12}\.js$", ".js", path.relative_to(written).as_posix())

    hashed = {module(path): path for path in written.rglob("*.*.js")}
    assert set(hashed) == set(js_modules.contents())
    for name, path in hashed.items():
        targets = re.findall(r"""(?:\bfrom |\bimport\()["'](\.[\w./]+)["']""", path.read_text())
        imported = {(path.parent / target).resolve() for target in targets}
        assert set(map(module, imported)) == {*js_modules.imports(name), *js_modules.imports(name, on_demand=True)}
        assert imported <= set(hashed.values()), (name, targets)


def test_module__is_served_for_ever_under_its_release(client: Client) -> None:
    response = client.get(f"/notify/client/{js_modules.version()}/auto.js")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in response["Cache-Control"]
    assert response.content == (js_modules.DIRECTORY / "auto.js").read_bytes()


def test_module__in_a_folder(client: Client) -> None:
    response = client.get(f"/notify/client/{js_modules.version()}/core/sync.js")
    assert response.content == (js_modules.DIRECTORY / "core" / "sync.js").read_bytes()


def test_module__of_another_release_is_not_kept(client: Client) -> None:
    response = client.get("/notify/client/0123456789ab/auto.js")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["missing.js", "core/", "core/auto.js", "..%2Fmodules.py", "catmaid_notify.css", "index.d.ts"]
)
def test_module__only_modules(client: Client, name: str) -> None:
    assert client.get(f"/notify/client/x/{name}").status_code == 404


def test_protocol__is_the_same_on_both_sides() -> None:
    script = f"import * as p from '{(js_modules.DIRECTORY / 'protocol.js').as_uri()}'; console.log(JSON.stringify(p))"
    done = subprocess.run(
        [node(), "--input-type=module", "--eval", script], capture_output=True, text=True, check=True, timeout=30
    )
    expected = {"SUBPROTOCOL": SUBPROTOCOL, **{one.name: one.value for one in [*Event, *Close]}}
    assert json.loads(done.stdout) == expected
    declared = (js_modules.DIRECTORY / "protocol.d.ts").read_text()
    assert dict(re.findall(r"const (\w+): (.+);", declared)) == {n: json.dumps(v) for n, v in expected.items()}


def test_modules__load_each_other_by_relative_paths_only() -> None:
    for path in js_modules.DIRECTORY.rglob("*.js"):
        for target in re.findall(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""", path.read_text()):
            assert re.fullmatch(r"\.{1,2}/(?:\w+/)?\w+\.js", target), f"{path.name}: {target}"
            assert Path(path.parent, target).is_file(), f"{path.name}: {target}"


def test_modules__core_needs_no_ui() -> None:
    core = [name for name in js_modules.contents() if name.startswith("core/")]
    assert "core/notifier.js" in core
    assert not [name for name in js_modules.needed_by(*core) + js_modules.on_demand(*core) if name.startswith("ui/")]


def test_docs__name_every_custom_property_with_its_colours() -> None:
    style = (js_modules.DIRECTORY / "catmaid_notify.css").read_text()
    page = (js_modules.DIRECTORY.parents[2] / "docs" / "page.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("| `--")]
    # "`--catmaid-notify-info`, `-success`" is short for two whole names.
    named = {
        name if name.startswith("--") else f"--catmaid-notify{name}"
        for line in table
        for name in re.findall(r"`(-[\w-]+)`", line.split("|")[1])
    }
    assert named == set(re.findall(r"var\((--catmaid-notify-[\w-]+)", style))
    for light, dark in re.findall(r", light-dark\((#\w+), (#\w+)\)", style):
        assert any(f"`{light}`" in line and f"`{dark}`" in line for line in table), (light, dark)
