"""HTTP client for single requests to the site. It follows no redirect, so that a session reaches no other host."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final

from catmaid_notify.doctor.address import Address

BODY_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Response of the site. The names of ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Body parsed as JSON; ``None`` if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def get(address: Address, path: str, *, cookie: str = "", timeout: float) -> Answer:
    """Fetch a path of the site.

    Args:
        address: the site.
        path: absolute path, prefix included.
        cookie: value of the ``Cookie`` header; empty: none.
        timeout: seconds for each answer of the network.

    Raises:
        OSError: errors of the network, or an answer that is not HTTP.
    """
    kind = HTTPSConnection if address.is_secure else HTTPConnection
    connection = kind(address.host, address.port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": address.host_header, **({"Cookie": cookie} if cookie else {})})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=response.read(BODY_BYTES_MAX))
    except HTTPException as error:
        raise ConnectionError(f"the answer is not HTTP: {type(error).__name__}") from error
    finally:
        connection.close()
