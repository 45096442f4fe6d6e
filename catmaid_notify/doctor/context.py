"""State of one run of ``notify_check``: the options, and connections that earlier steps open for later ones."""

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
    """Public address of the site; ``None``: the steps from outside are left out."""
    user: Any = None
    """Instance of the user model that is signed in during the run and gets a message; ``None``: nobody."""
    celery: str = ""
    """Module of the Celery application; empty: ``<project>.celery``."""
    deep: bool = False
    """Take slow steps, too."""
    traceback: bool = False
    """Raise errors that no step expects, instead of reporting them."""
    timeout: float = 10
    """Seconds that each part of the site has for an answer."""
    closing: ExitStack = field(default_factory=ExitStack)
    """Closes connections and sessions of the steps at the end of the run."""
    socket: WebSocket | None = None
    """Socket of the user, set by the step ``signed-in socket`` after the hello."""
    hello: dict[str, Any] = field(default_factory=dict)
    """Payload of the hello on that socket."""

    @property
    def site(self) -> Address:
        """Public address of the site, for steps that need one."""
        if self.address is None:
            raise ValueError("The address of the site is missing. Give it by --url.")
        return self.address
