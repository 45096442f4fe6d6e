"""The servers that are measured, each started for one run."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench import proc
from bench.kinds import Kind
from catmaid_notify.deployment.site import Site
from tests.support.environment import PROGRAMS
from tests.support.ports import free_port
from tests.support.process import Process

SECONDS: Final = 120.0
"""How long an order to the bench's own addresses may take."""
NCHAN: Final = """\
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
user root;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    nchan_max_reserved_memory 256M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        keepalive_requests 1000000;
        location ~ ^/sub/(.+)$ {{
            nchan_subscriber websocket;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
        }}
        location ~ ^/pub/(.+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_store_messages off;
        }}
    }}
}}
"""


class Server:
    """A server of a kind that listens."""

    def __init__(self, kind: Kind, *, env: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        self._process = Process("server", _command(kind, self.port, folder), folder=folder, env=env)
        self._process.wait_for_port(self.port, timeout=60)

    @property
    def pid(self) -> int:
        """Of the process that serves."""
        return proc.with_children(self._process.pid)[-1]

    def cpu_seconds(self) -> float:
        """Return the CPU time that it and its children have taken so far."""
        return sum(proc.cpu_seconds(pid) for pid in proc.with_children(self._process.pid))

    def rss_bytes(self) -> int:
        """Return the memory that they have resident."""
        return sum(proc.rss_bytes(pid) for pid in proc.with_children(self._process.pid))

    def order(self, path: str) -> Any:
        """Ask what only the process knows; see `bench.served.asgi`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/bench/{path}", timeout=SECONDS) as answer:
            return json.load(answer)

    def end(self) -> None:
        """End it."""
        self._process.kill()


def _command(kind: Kind, port: int, folder: Path) -> list[str | Path]:
    if kind.server == "nginx":
        conf = folder / "nchan.conf"
        conf.write_text(NCHAN.format(folder=folder, port=port))
        return [PROGRAMS["nginx"], "-e", "stderr", "-p", folder, "-c", conf]
    application = "bench.served.asgi:application"
    if kind.server == "daphne":
        # As `notify_config` prints it: by itself it lets 50 wait, and pings everybody a second time.
        options = ["-e", f"tcp:port={port}:interface=127.0.0.1:backlog=4096", *Site().daphne_deadlines.split()]
        quiet = ["--verbosity=0", "--access-log=/dev/null"]
        return [kind.python, "-m", "daphne", *options, *quiet, application]
    options = ["--host=127.0.0.1", f"--port={port}", "--ws=websockets-sansio", "--ws-per-message-deflate=false"]
    quiet = ["--log-level=warning", "--no-access-log", "--lifespan=off", "--backlog=4096"]
    return [kind.python, "-m", "uvicorn", *options, *quiet, application]
