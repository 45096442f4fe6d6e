"""nginx as the proxy of a site: /channels/ goes to the ASGI server, the rest to WSGI."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.support.ports import free_port

if TYPE_CHECKING:
    from tests.support.process import Process
    from tests.support.site import Site

BINARY = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "nginx"
UPGRADE = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
CONFIG = """
daemon off; pid {folder}/nginx.pid; error_log stderr error; {user}
worker_processes 1; worker_rlimit_nofile 8192; worker_shutdown_timeout 1s;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1; proxy_redirect off;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /channels/ {{ proxy_pass http://127.0.0.1:{asgi}; proxy_set_header Host $http_host; {upgrade} }}
        location / {{
            proxy_pass http://127.0.0.1:{wsgi}; proxy_set_header Host $http_host; proxy_read_timeout {wait};
        }}
    }}
}}
"""


class Nginx:
    """An nginx on a port of its own. It answers 504 when a server takes longer than ``wait``."""

    def __init__(self, site: Site, *, wait: str) -> None:
        self._site = site
        self._wait = wait
        self.port = free_port()
        self.process: Process | None = None

    def configure(self, *, upgrade: bool = True) -> None:
        """Write the configuration; without ``upgrade`` it refuses WebSockets."""
        text = CONFIG.format(
            folder=self._site.folder,
            user="user root;" if os.geteuid() == 0 else "",
            port=self.port,
            asgi=self._site.daphne_port,
            wsgi=self._site.gunicorn_port,
            upgrade=UPGRADE if upgrade else "",
            wait=self._wait,
        )
        (self._site.folder / "nginx.conf").write_text(text)

    def start(self) -> None:
        """Start nginx, and return when it listens."""
        config = self._site.folder / "nginx.conf"
        self.process = self._site.start("nginx", BINARY, "-c", config, "-p", self._site.folder)
        self.process.wait_for_port(self.port)
