"""Public address of a site, as a browser shows it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from catmaid_notify.auth.origins import DEFAULT_PORTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Address of a site: ``https://host:port/prefix/``."""

    scheme: str
    host: str
    port: int
    prefix: str
    """Path of the site, with a slash at both ends."""

    @classmethod
    def parsed(cls, url: str) -> Address:
        """Parse an address.

        Raises:
            ValueError: ``url`` is not the http(s) address of a site; the text says how one looks.
        """
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is not the address of a site. Give one like https://www.example.org/path/")
        prefix = f"/{parts.path.strip('/')}/" if parts.path.strip("/") else "/"
        return cls(
            scheme=parts.scheme, host=parts.hostname, port=parts.port or DEFAULT_PORTS[parts.scheme], prefix=prefix
        )

    @property
    def is_secure(self) -> bool:
        """True for https."""
        return self.scheme == "https"

    @property
    def host_header(self) -> str:
        """Value of the ``Host`` header: the host, and the port unless it is the default one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Value of the ``Origin`` header that browsers send."""
        return f"{self.scheme}://{self.host_header}"

    def path(self, path: str) -> str:
        """Return the absolute path of ``path``, which is relative to the prefix."""
        return self.prefix + path.lstrip("/")

    def __str__(self) -> str:
        return f"{self.origin}{self.prefix}"
