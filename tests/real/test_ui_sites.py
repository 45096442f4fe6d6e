"""The bundled inbox on sites of all kinds: where they are, how they serve files, what else is on their pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import expect

from tests.deploy.kit import run_units, wait_until_served
from tests.deploy.test_nginx import SUB, TRUSTING, make_certificate
from tests.support.browser import Chromium
from tests.support.environment import require
from tests.support.inbox import Inbox, notify, refusals, store
from tests.support.site import Site, unique

pytestmark = pytest.mark.real

MANIFEST = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}


def test_site__tls_in_a_sub_directory_with_hashed_static_files(
    make_site: Callable[..., AbstractContextManager[Site]], browser: Chromium, tmp_path_factory: pytest.TempPathFactory
) -> None:
    require("nginx")
    static = tmp_path_factory.mktemp("static")
    settings = {**SUB, **TRUSTING, "STORAGES": MANIFEST, "STATIC_ROOT": str(static)}
    with make_site(settings=settings) as site:
        site.prefix = "/sub"
        site.manage("collectstatic", "--noinput", "--verbosity=0")
        certificate = make_certificate(site.folder)
        site.nginx(site.config("nginx", wsgi_server="none", static_root=static, **certificate))
        site.certificate = certificate["certificate"]
        run_units(site, wsgi_server="none", parts=("asgi",))
        wait_until_served(site)
        ann = site.user("ann")
        notify(site, ann, "Old", action="/sub/inbox/?there=1")
        requests: list[str] = []
        context = browser.context(site, ann, ignore_https_errors=True)
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.goto("/sub/inbox/")
        inbox = Inbox(page)
        inbox.wait_for_state("live")
        notify(site, ann, "New")
        expect(inbox.toast("New")).to_be_visible()
        inbox.open().message("New").get_by_role("button", name="Mark as read: New").click()
        expect(inbox.bell).to_have_accessible_name("Notifications, unread: 1")
        assert any(re.search(r"/catmaid_notify\.[0-9a-f]{12}\.css$", url) for url in requests), requests
        expect(inbox.panel).to_have_css("position", "fixed")
        inbox.message("Old").get_by_role("link").click()
        page.wait_for_url("**/sub/inbox/?there=1")
        assert {url.split("/")[0] for url in requests} <= {"https:", "data:"}
        assert refusals(browser) == []


BOXES = """() => [...document.querySelectorAll(".catmaid-notify, .catmaid-notify *")]
    .filter((one) => one.checkVisibility() && !one.closest(".catmaid-notify__hidden"))
    .map((one) => {
        const { width, height } = one.getBoundingClientRect();
        const style = getComputedStyle(one);
        const { color, backgroundColor, fontWeight, textTransform, textDecorationLine, fill, stroke } = style;
        const looks = [color, backgroundColor, fontWeight, textTransform, textDecorationLine, fill, stroke];
        return [one.getAttribute("class") ?? one.tagName, Math.round(width), Math.round(height), ...looks].join(" ");
    })"""


def test_page__whose_styles_reach_for_everything(lab: Site, browser: Chromium) -> None:
    """Rules for bare elements, as resets and frameworks have them, change nothing in here."""
    ann = lab.user(unique("ann"))
    store(lab, ann, 3, "Read", read=True)
    notify(lab, ann, "With a link", action="/inbox/", text="Some text.", level="error")
    shapes: list[list[str]] = []
    for query in (None, {"style": "tests/greedy.css"}):
        inbox = Inbox.of(browser.context(lab, ann, viewport={"width": 1000, "height": 800}), query).open()
        inbox.scroll_to_end()
        inbox.page.mouse.move(5, 790)
        shapes.append(inbox.page.evaluate(BOXES))
        inbox.page.keyboard.press("Escape")
        inbox.bell.evaluate("(one) => one.blur()")
        notify(lab, ann, "A toast", level="warning", text="Some text.")
        expect(inbox.toasts).to_have_count(1)
        shapes[-1] += inbox.page.locator(".catmaid-notify__toasts").evaluate(f"(region) => ({BOXES})().slice(-12)")
        lab.run("Message.objects.filter(user_id=user, title='A toast').delete()", user=ann)
    plain, greedy = shapes
    assert [pair for pair in zip(plain, greedy, strict=True) if pair[0] != pair[1]] == []
    assert len(plain) > 40
    icons = (
        "() => [...document.querySelectorAll('.catmaid-notify__icon > path')].map((one) => one.getBoundingClientRect())"
    )
    widths = [box["width"] for box in inbox.page.evaluate(icons) if box["height"]]
    assert len(widths) > 1
    assert min(widths) > 5, "icons are not empty"


def test_page__beside_jquery_and_scripts_that_extend_what_is_built_in(lab: Site, browser: Chromium) -> None:
    ann = lab.user(unique("bob"))
    query: dict[str, str | list[str]] = {"script": ["admin/js/vendor/jquery/jquery.js", "tests/legacy.js"]}
    inbox = Inbox.of(browser.context(lab, ann), query)
    assert inbox.page.evaluate("() => window.$('h1').text()") == "Neurons"
    notify(lab, ann, "One", "Two")
    expect(inbox.toasts).to_have_count(2)
    inbox.open().message("One").get_by_role("button").click()
    expect(inbox.bell).to_have_accessible_name("Notifications, unread: 1")
    assert inbox.page.evaluate("() => [window.$('li').length > 1, window.$.fn.jquery[0], legacy]") == [
        True,
        "3",
        "kept",
    ]


@pytest.mark.parametrize(
    ("language", "name", "button", "state", "time"),
    [
        (
            "de",
            "Benachrichtigungen, ungelesen: 1",
            "Als gelesen markieren: A",
            "Neue Nachrichten kommen sofort an.",
            "vor 3 Min.",
        ),
        (
            "es",
            "Notificaciones, sin leer: 1",
            "Marcar como leído: A",
            "Los mensajes nuevos llegan al instante.",
            "hace 3 min",
        ),
    ],
)
def test_page__in_another_language(
    lab: Site, browser: Chromium, language: str, name: str, button: str, state: str, time: str
) -> None:
    ann = lab.user(unique(language))
    lab.run(
        """
from datetime import timedelta
from django.utils import timezone
made = Message.objects.create(user_id=user, title="A")
Message.objects.filter(pk=made.pk).update(time=timezone.now() - timedelta(minutes=3))
""",
        user=ann,
    )
    inbox = Inbox.of(browser.context(lab, ann), {"lang": language})
    expect(inbox.bell).to_have_accessible_name(name)
    inbox.bell.click()
    expect(inbox.messages.get_by_role("button", name=button)).to_be_visible()
    expect(inbox.page.get_by_text(state)).to_be_visible()

    expect(inbox.messages.locator("time")).to_have_text(time)


def test_bell__at_the_edge_of_a_box_that_cuts_off(lab: Site, browser: Chromium) -> None:
    """The panel is in the top layer: neither overflow nor stacking of the page gets at it."""
    inbox = Inbox.of(browser.context(lab, lab.user(unique("eve"))), {"style": "tests/cut.css"}).open()
    box = inbox.panel.bounding_box()
    assert box
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    inside = "({ x, y }) => document.elementFromPoint(x, y).closest('.catmaid-notify__panel') !== null"
    assert inbox.page.evaluate(inside, middle)
