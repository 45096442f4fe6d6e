"""Types and ranges of the app's settings, for the system checks."""

from __future__ import annotations

import math
from typing import Any, Final, get_type_hints

from catmaid_notify.conf import Conf

PROXY_READ_SECONDS: Final = 60
"""Seconds of silence after which nginx and other proxies close a connection by default."""

RANGES: Final[dict[str, tuple[float, float]]] = {
    "PAGE_SIZE": (1, 200),
    "FRAME_BYTES_MAX": (128, 1024 * 1024),  # a pong is about 60 bytes; Daphne takes no more than 1 MiB
    "TITLE_LENGTH_MAX": (1, 255),
    "TEXT_LENGTH_MAX": (1, 250_000),  # as JSON in a frame of 1 MiB
    "PAYLOAD_BYTES_MAX": (1, 1000 * 1024),  # the layer carries 1 MiB at most, envelope included
    "GROUP_LINGER_SECONDS": (0, 3600),
    "RECONCILE_OVERLAP_SECONDS": (0, 24 * 3600),
}
"""Lowest and highest value. Numbers that are not listed must be above 0."""
KINDS: Final[dict[Any, tuple[str, tuple[type, ...]]]] = {
    float: ("a number", (int, float)),
    int: ("a whole number", (int,)),
    str: ("a string", (str,)),
}


def trouble(name: str, value: Any) -> str:
    """Return the reason why a value is not valid for the setting, as the end of a sentence; "" for a valid one."""
    wanted, types = KINDS.get(get_type_hints(Conf)[name], ("a list or tuple", (list, tuple)))
    if isinstance(value, bool) or not isinstance(value, types):
        return f"must be {wanted}, not {value!r}"
    if name == "UPDATES_PATH" and value and not str(value).startswith(("/", "ws://", "wss://")):
        return f"must begin with /, not be {value!r}"
    if isinstance(value, int | float):
        return _out_of_range(name, value)
    return ""


def _out_of_range(name: str, value: float) -> str:
    if name in RANGES:
        lowest, highest = RANGES[name]
        return "" if lowest <= value <= highest else f"must be {lowest:g} to {highest:g}, not {value!r}"
    return "" if 0 < value < math.inf else f"must be above 0, not {value!r}"
