"""The only reader of the settings ``CATMAID_NOTIFY_*``: a typed table with defaults and units.

Nothing is read at import. A setting is looked up once, since some are asked for with each frame, and again after
``override_settings``.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed

PREFIX: Final = "CATMAID_NOTIFY_"


class Conf:
    """All settings of the app. Times are in seconds, sizes in bytes unless the name says otherwise."""

    CHANNEL_LAYER: str = "default"
    """Alias in ``CHANNEL_LAYERS`` of the layer that carries the pushes."""

    # What the browser is told
    POLL_SECONDS: float = 60
    """How often a page without a socket asks the inbox."""
    LIVE_SYNC_SECONDS: float = 600
    """How often a page with a socket compares itself with the inbox all the same."""
    PING_SECONDS: float = 25
    """How often the server asks a socket for a sign of life; keep it below the proxy's read time-out."""
    UPDATES_PATH: str = ""
    """Path of the socket as the browser sees it; empty: script prefix + ``channels/updates/``."""
    PAGE_SIZE: int = 50
    """Messages in one page of the inbox when the client doesn't say."""
    NOTIFICATION_COUNT: str = ""
    """Dotted path of a callable(request) -> int for CATMAID's ``notification_count``; empty: 0."""

    # Who may connect, and how much
    ALLOWED_ORIGINS: tuple[str, ...] = ()
    """Origins (``https://host[:port]``) that may open sockets besides the site's own and ``CSRF_TRUSTED_ORIGINS``."""
    SESSION_CHECK_SECONDS: float = 30
    """How often all open sockets are checked for sessions and users that have ended without anybody saying so."""
    SOCKETS_PER_USER: int = 100
    """Open sockets of one user in one process; further ones are refused with 4409."""
    FRAME_BYTES_MAX: int = 1024
    """Size of a frame from a client; larger ones close the socket."""
    FRAMES_PER_MINUTE: int = 240
    """Frames from one client; more close the socket with 4429."""
    PONG_SECONDS: float = 10
    """How long a socket may take to answer a ping before it is closed with 4408."""
    UNACKED_BYTES_MAX: int = 2 * 1024 * 1024
    """Bytes sent to a socket since its last pong; more close it with 4408."""

    # Topics
    TOPICS_PER_SOCKET: int = 100
    """Topics that one socket may follow; further ones are refused."""
    TOPIC_CHECK_SECONDS: float = 60
    """How often it is asked again whether the followers of a topic may follow it."""
    PRESENCE_SECONDS: float = 15
    """How often a process with sockets says that it lives; after three times without, its users count as gone."""

    # What may be stored and sent
    TITLE_LENGTH_MAX: int = 200
    """Characters of a message's title (at most 255, the width of the column)."""
    TEXT_LENGTH_MAX: int = 20_000
    """Characters of a message's text."""
    PAYLOAD_BYTES_MAX: int = 64 * 1024
    """Size of an event's payload as JSON in UTF-8."""

    # Delivery
    RECONCILE_SECONDS: float = 30
    """How often the hub compares the inbox with what it has pushed."""
    RECONCILE_OVERLAP_SECONDS: float = 60
    """How far a round looks back beyond the last one, for transactions that were open meanwhile."""
    GROUP_LINGER_SECONDS: float = 10
    """How long a group stays joined after its last socket left, so that a reload costs no broker call."""
    CONNECT_SECONDS: float = 8
    """How long a new socket waits for the broker before it is closed with 4503."""
    PUBLISH_QUEUE_MAX: int = 10_000
    """Pushes that wait in one process for a layer that is not ours; further ones are dropped and found by reconciling.
    ``RabbitmqChannelLayer`` has ``publish_queue`` in its ``CONFIG``."""
    PUBLISH_SECONDS: float = 10
    """How long a push may wait for a layer that is not ours before it is dropped. ``RabbitmqChannelLayer`` has
    ``publish_timeout`` in its ``CONFIG``."""

    # Tasks
    PROGRESS_PER_SECOND: float = 4
    """Progress updates of one task that are sent in a second."""
    PROGRESS_KEEP_SECONDS: float = 3600
    """How long the progress of a task that says nothing more is still shown."""


class _Settings:
    """The site's settings, else the defaults of `Conf`; they become attributes when they are first asked for."""

    def __getattr__(self, name: str) -> Any:
        default = getattr(Conf, name)
        value = self.__dict__[name] = getattr(settings, PREFIX + name, default)
        return value

    def forget(self, *, setting: str, **_kwargs: Any) -> None:
        """Look a setting up anew; tests change them."""
        self.__dict__.pop(setting.removeprefix(PREFIX), None)


_settings = _Settings()
setting_changed.connect(_settings.forget)
conf: Conf = _settings  # type: ignore[assignment]  # it has what `Conf` has
