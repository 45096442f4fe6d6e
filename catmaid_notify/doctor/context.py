"""What the steps of one run share: what was asked for, and what earlier steps have opened for later ones."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catmaid_notify.doctor.address import Address
    from catmaid_notify.doctor.websocket import WebSocket


@dataclass(kw_only=True)
class Visit:
    """One run of the command."""

    address: Address | None = None
    """Where browsers find the site."""
    user: Any = None
    """Who is signed in for a moment, and gets a message."""
    celery: str = ""
    """Module of the Celery application; empty: the current one."""
    deep: bool = False
    """Also what takes long."""
    traceback: bool = False
    """Errors that no step expects are raised, not reported."""
    timeout: float = 10
    """Seconds that each part is given to answer."""
    closing: ExitStack = field(default_factory=ExitStack)
    """Ends what steps have opened."""
    socket: WebSocket | None = None
    """Of the user, once it has said hello."""
    hello: dict[str, Any] = field(default_factory=dict)
    """Its greeting."""

    @property
    def site(self) -> Address:
        """The address, for steps that are only taken with one."""
        if self.address is None:
            raise ValueError("There is no address of the site; give --url.")
        return self.address
