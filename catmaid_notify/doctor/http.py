"""One HTTP request to the site, without following redirects: a session must not travel to anybody else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final

from catmaid_notify.doctor.address import Address

BODY_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the site answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, ``None`` where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def get(address: Address, path: str, *, cookie: str = "", timeout: float) -> Answer:
    """Fetch an absolute path; raises OSError for what the network does."""
    kind = HTTPSConnection if address.is_secure else HTTPConnection
    connection = kind(address.host, address.port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": address.host_header, **({"Cookie": cookie} if cookie else {})})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=response.read(BODY_BYTES_MAX))
    except HTTPException as error:
        raise ConnectionError(f"the answer is no HTTP: {type(error).__name__}") from error
    finally:
        connection.close()
