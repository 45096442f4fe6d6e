"""Typed table of the settings ``CATMAID_NOTIFY_*``, with defaults and units; their only reader.

Importing this module reads nothing. A setting is looked up once and kept, since some are read for each frame;
``override_settings`` makes the app look it up again.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed

PREFIX: Final = "CATMAID_NOTIFY_"


class Conf:
    """All settings of the app. Times are in seconds, sizes in bytes unless the name says otherwise."""

    CHANNEL_LAYER: str = "default"
    """Alias of the layer in ``CHANNEL_LAYERS`` that carries the pushes."""

    # Browser
    POLL_SECONDS: float = 60
    """Interval at which a page without a socket polls the inbox."""
    LIVE_SYNC_SECONDS: float = 600
    """Interval at which a page with a socket fetches the inbox, in case that a push was lost."""
    PING_SECONDS: float = 25
    """Interval of the server's pings to a socket; keep it below the proxy's read time-out."""
    UPDATES_PATH: str = ""
    """Path of the WebSocket as the browser sees it; empty: the site's script prefix and ``channels/updates/``."""
    PAGE_SIZE: int = 50
    """Messages in one page of the inbox, unless the client asks for another number."""
    NOTIFICATION_COUNT: str = ""
    """Dotted path of a callable(request) that returns CATMAID's ``notification_count`` as an int; empty: always 0."""

    # Connections and limits
    ALLOWED_ORIGINS: tuple[str, ...] = ()
    """Origins (``https://host[:port]``) that may open sockets, besides the site's own and ``CSRF_TRUSTED_ORIGINS``."""
    SESSION_CHECK_SECONDS: float = 30
    """Interval at which the sessions and users of all open sockets are checked, for changes that sent no signal."""
    SOCKETS_PER_USER: int = 100
    """Open sockets of one user in one process; further ones are closed with 4409."""
    FRAME_BYTES_MAX: int = 1024
    """Size of a frame from a client; a larger one closes the socket."""
    FRAMES_PER_MINUTE: int = 240
    """Frames per minute from one socket; more close it with 4429."""
    PONG_SECONDS: float = 10
    """Time for a socket to answer a ping; without an answer it is closed with 4408."""
    UNACKED_BYTES_MAX: int = 2 * 1024 * 1024
    """Bytes sent to a socket since its last pong; more close it with 4408."""

    # Topics
    TOPICS_PER_SOCKET: int = 100
    """Topics that one socket may follow; further ones are refused."""
    TOPIC_CHECK_SECONDS: float = 60
    """Interval at which the permissions of all followers are checked again."""
    PRESENCE_SECONDS: float = 15
    """Heartbeat interval of a process with sockets; after three missed ones its users count as offline."""

    # Content limits
    TITLE_LENGTH_MAX: int = 200
    """Characters of a message's title; at most 255, the width of the column."""
    TEXT_LENGTH_MAX: int = 20_000
    """Characters of a message's text."""
    PAYLOAD_BYTES_MAX: int = 64 * 1024
    """Size of an event's frame (payload and envelope) as JSON in UTF-8."""

    # Delivery
    RECONCILE_SECONDS: float = 30
    """Interval at which each ASGI process looks for unread messages that it has not pushed yet, and pushes them."""
    RECONCILE_OVERLAP_SECONDS: float = 60
    """Time that a reconciling round looks back beyond the last one, for transactions that were still open then."""
    GROUP_LINGER_SECONDS: float = 10
    """Time that a group stays joined after its last socket has left, so that a reload costs no broker call."""
    CONNECT_SECONDS: float = 8
    """Time that a new socket waits for the broker before it is closed with 4503."""
    PUBLISH_QUEUE_MAX: int = 10_000
    """Pushes that may wait in one process; further ones are dropped, and reconciling finds their messages. For layers
    of other packages only: ``RabbitmqChannelLayer`` has ``publish_queue`` in its ``CONFIG``."""
    PUBLISH_SECONDS: float = 10
    """Time that a push may wait before it is dropped. For layers of other packages only: ``RabbitmqChannelLayer``
    has ``publish_timeout`` in its ``CONFIG``."""

    # Tasks
    PROGRESS_PER_SECOND: float = 4
    """Progress updates of one task that are sent per second; the latest state wins."""
    PROGRESS_KEEP_SECONDS: float = 3600
    """Time without an update after which the progress of a task is no longer shown."""


class _Settings:
    """Lazy look-up of the site's settings, else the defaults of `Conf`; a value is kept as an attribute."""

    def __getattr__(self, name: str) -> Any:
        default = getattr(Conf, name)
        value = self.__dict__[name] = getattr(settings, PREFIX + name, default)
        return value

    def forget(self, *, setting: str, **_kwargs: Any) -> None:
        """Drop a kept value: ``override_settings`` has changed it."""
        self.__dict__.pop(setting.removeprefix(PREFIX), None)


_settings = _Settings()
setting_changed.connect(_settings.forget)
conf: Conf = _settings  # type: ignore[assignment]  # it has what `Conf` has
