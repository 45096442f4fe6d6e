"""The demo as it is really started, ``demo/manage.py demo``, and a browser-like client of it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.ports import free_port
from tests.support.process import PYTHON, ROOT, Process

READY = r"Ctrl-C ends it"
SLICES = 40
TILE = 64
STOP_SECONDS = 15.0
"""The demo ends within 5 seconds on a quiet machine; a run beside other programs gets three times as long."""


class Running:
    """A demo with stacks of its own, started once or several times in the same folder.

    To test a further situation: change files in ``folder`` (see ``block`` and ``unblock``), then ``start`` it.
    """

    def __init__(self, folder: Path, start: Callable[..., Process], **env: str) -> None:
        self.var = folder / "var"
        self.port = free_port()
        self.env = {"DEMO_VAR": str(self.var), "DEMO_STACKS": str(folder / "stacks.json"), **env}
        self.tiles = folder / "tiles"
        self._start = start
        self.process: Process | None = None
        write_stack(folder)

    def start(self) -> Process:
        """Start it and return when it says that it is ready."""
        command = [PYTHON, str(ROOT / "demo/manage.py"), "demo", "--port", str(self.port)]
        self.process = self._start("demo", *command, env=self.env)
        self.process.wait_for(READY, timeout=40)
        return self.process

    def end(self) -> None:
        """End all of its processes, however that works: after a test, none shall be left."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 10.0)):
            for pid in self.processes():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            deadline = time.monotonic() + seconds
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.02)

    def client(self, name: str = "demo") -> Client:
        """Sign in."""
        return Client(f"http://127.0.0.1:{self.port}", name)

    def tile(self, z: int) -> Path:
        """Return where the only tile of a slice is."""
        return self.tiles / str(z) / "0_0_0.png"

    def block(self, z: int) -> None:
        """Let whoever reads this slice wait until ``unblock``: its tile becomes a pipe that nobody writes into."""
        self.tile(z).unlink()
        os.mkfifo(self.tile(z))

    def unblock(self, z: int) -> None:
        """Put the tile back, for those who open it from now on."""
        self.tile(z).unlink(missing_ok=True)
        Image.fromarray(pixels(z)).save(self.tile(z))

    def unfinished(self) -> list[Path]:
        """Return the files that are being written."""
        return list((self.var / "crops").glob("*.part"))

    def processes(self) -> list[int]:
        """Return the ids of all processes of this demo, which its own folder in their environment tells."""
        mark = f"DEMO_VAR={self.var}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue  # ended meanwhile
        return found


def pixels(z: int) -> Any:
    """Return the pixels of a slice."""
    return np.random.default_rng(z).integers(0, 255, (TILE, TILE), np.uint8, endpoint=True)


def write_stack(folder: Path) -> None:
    """Write a stack of ``SLICES`` small slices, and its description."""
    for z in range(SLICES):
        path = folder / f"tiles/{z}/0_0_0.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(pixels(z)).save(path)
    stack = {
        "name": "small",
        "title": "A small stack",
        "shape": [SLICES, TILE, TILE],
        "resolution_nm": [4, 4, 40],
        "dtype": "uint8",
        "source": {
            "type": "tiles",
            "path": "tiles",
            "tile_source_type": 1,
            "extension": "png",
            "tile_shape": [TILE, TILE],
        },
    }
    (folder / "stacks.json").write_text(json.dumps({"stacks": [stack]}))


REGION = {"stack": "small", "x": [0, TILE], "y": [0, TILE], "z": [0, SLICES], "zoom": 0}


class Client:
    """Somebody who is signed in."""

    def __init__(self, base: str, name: str) -> None:
        self.base = base
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        page = self.get("/login/").decode()
        form = {"username": name, "password": name, "csrfmiddlewaretoken": token(page), "next": "/"}
        self.page = (
            self._opener.open(f"{base}/login/", urllib.parse.urlencode(form).encode(), timeout=20).read().decode()
        )

    def get(self, path: str) -> bytes:
        """Return what is there; raises urllib.error.HTTPError."""
        content: bytes = self._opener.open(self.base + path, timeout=20).read()
        return content

    def json(self, path: str) -> Any:
        """Return what is there, decoded."""
        return json.loads(self.get(path))

    def crop(self, region: dict[str, Any] | None = None) -> str:
        """Ask for a crop and return its id."""
        headers = {"X-CSRFToken": token(self.page), "Content-Type": "application/json"}
        body = json.dumps(region or REGION).encode()
        answer = self._opener.open(urllib.request.Request(f"{self.base}/crops/", body, headers), timeout=20)
        return str(json.loads(answer.read())["id"])

    def crops(self) -> list[dict[str, Any]]:
        """Return the latest crops."""
        found: list[dict[str, Any]] = self.json("/crops/")["crops"]
        return found

    def messages(self) -> list[dict[str, Any]]:
        """Return the unread messages, the newest first."""
        found: list[dict[str, Any]] = self.json("/notify/unread")["messages"]
        return found


def token(page: str) -> str:
    """Return the CSRF token of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return found[1]


def until(condition: Callable[[], Any], *, seconds: float = 20, what: str = "") -> Any:
    """Return what ``condition`` returns as soon as that is true; for what happens in other processes."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.02)
    return found
