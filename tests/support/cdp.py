"""Chromium without Playwright, controlled through the DevTools protocol.

Playwright switches off features that some tests need: its pages never freeze, and don't enter the back/forward cache.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from websockets.sync.client import connect

from tests.support.browser import FLAGS
from tests.support.environment import CHROMIUM
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

    from tests.support.process import Process
    from tests.support.site import Site, User


class Tab:
    """One tab of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(timeout=30))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a script as JSON."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str, *, timeout: float = 30) -> Any:
        """Wait until the value of a script is true, and return the value. A page that is loading has none."""

        def look() -> Any:
            with contextlib.suppress(AssertionError):
                return self.evaluate(expression)

        return eventually(look, timeout=timeout)

    def freeze(self) -> None:
        """Freeze the page, as Chromium does with a page that was hidden for long."""
        self.call("Page.setWebLifecycleState", state="frozen")

    def thaw(self) -> None:
        self.call("Page.setWebLifecycleState", state="active")


class RawChromium:
    """Browser of one signed-in user."""

    def __init__(self, port: int, site: Site, user: User, init: str) -> None:
        self._base = f"http://127.0.0.1:{port}/json"
        self._site = site
        self._user = user
        self._init = init
        self._tabs = contextlib.ExitStack()

    def tab(self, path: str = "/page/") -> Tab:
        """Open a tab in which the script ``init`` runs before those of the page."""
        with urlopen(Request(f"{self._base}/new?about:blank", method="PUT")) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        tab = Tab(self._tabs.enter_context(connect(address, max_size=None)))
        name, _, value = self._user.cookie.partition("=")
        tab.call("Network.setCookie", name=name, value=value, url=self._site.url)
        tab.call("Page.enable")
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=self._init)
        tab.call("Page.navigate", url=f"{self._site.url}{path}")
        return tab

    def close(self) -> None:
        self._tabs.close()


@contextlib.contextmanager
def raw_chromium(
    start: Callable[..., Process], folder: Path, site: Site, user: User, *, init: str = ""
) -> Iterator[RawChromium]:
    """Start the browser with a profile in ``folder``. The fixture ``start`` ends it."""
    flags = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", *FLAGS]
    started = start("chromium", CHROMIUM, *flags, "about:blank")
    line = started.wait_for(r"DevTools listening on \S+", timeout=30)
    port = re.search(r":(\d+)/", line)
    assert port, "Chromium did not say where its DevTools are"
    browser = RawChromium(int(port[1]), site, user, init)
    try:
        yield browser
    finally:
        browser.close()
