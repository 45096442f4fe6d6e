"""Servers that are measured. Each run starts a new one."""

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
"""Seconds within which the bench's own URLs must answer."""
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
    """A listening server of one kind."""

    def __init__(self, kind: Kind, *, env: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        self._process = Process("server", _command(kind, self.port, folder), folder=folder, env=env)
        self._process.wait_for_port(self.port, timeout=60)

    @property
    def pid(self) -> int:
        """Id of the serving process."""
        return proc.with_children(self._process.pid)[-1]

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server and its children so far, in seconds."""
        return sum(proc.cpu_seconds(pid) for pid in proc.with_children(self._process.pid))

    def rss_bytes(self) -> int:
        """Return the resident memory of the server and its children, in bytes."""
        return sum(proc.rss_bytes(pid) for pid in proc.with_children(self._process.pid))

    def order(self, path: str) -> Any:
        """Request one of the bench's own URLs, which report from inside of the process; see `bench.served.asgi`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/bench/{path}", timeout=SECONDS) as answer:
            return json.load(answer)

    def end(self) -> None:
        """Stop the server."""
        self._process.kill()


def _command(kind: Kind, port: int, folder: Path) -> list[str | Path]:
    if kind.server == "nginx":
        conf = folder / "nchan.conf"
        conf.write_text(NCHAN.format(folder=folder, port=port))
        return [PROGRAMS["nginx"], "-e", "stderr", "-p", folder, "-c", conf]
    application = "bench.served.asgi:application"
    if kind.server == "daphne":
        # Daphne's options as `notify_config` prints them. The defaults queue 50 clients, and ping each socket twice.
        options = ["-e", f"tcp:port={port}:interface=127.0.0.1:backlog=4096", *Site().daphne_deadlines.split()]
        quiet = ["--verbosity=0", "--access-log=/dev/null"]
        return [kind.python, "-m", "daphne", *options, *quiet, application]
    options = ["--host=127.0.0.1", f"--port={port}", "--ws=websockets-sansio", "--ws-per-message-deflate=false"]
    quiet = ["--log-level=warning", "--no-access-log", "--lifespan=off", "--backlog=4096"]
    return [kind.python, "-m", "uvicorn", *options, *quiet, application]
