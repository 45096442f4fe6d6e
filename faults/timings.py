"""Timings of the browser client, read from its source, and shorter ones for short runs."""

from __future__ import annotations

import re
from functools import cache

from tests.support.process import ROOT

SOURCE = ROOT / "catmaid_notify/static/catmaid_notify/core/backoff.js"

SHORT_SETTINGS: dict[str, float] = {
    "CATMAID_NOTIFY_PING_SECONDS": 2,
    "CATMAID_NOTIFY_PONG_SECONDS": 2,
    "CATMAID_NOTIFY_RECONCILE_SECONDS": 3,
    "CATMAID_NOTIFY_RECONCILE_OVERLAP_SECONDS": 20,
    "CATMAID_NOTIFY_POLL_SECONDS": 4,
    "CATMAID_NOTIFY_CONNECT_SECONDS": 3,
    "CATMAID_NOTIFY_SESSION_CHECK_SECONDS": 6,
}
"""Server settings of a short run. Live pages sync as rarely as usual, so that syncs hide no other failure."""
SHORT_TIMINGS: dict[str, float | list[float]] = {
    "pollMs": 4000,
    "pingMs": 2000,
    "firstSyncMs": 1000,
    "requestTimeoutMs": 3000,
    "failureCapMs": 8000,
    "helloTimeoutMs": 4000,
    "silenceGraceMs": 2000,
    "probeAnswerMs": 1500,
    "reconnectBaseMs": 500,
    "reconnectCapMs": 4000,
    "settleMs": 1000,
    "giveUpMs": 4000,
    "wakeSpreadMs": 200,
    "probeMs": [1000, 2000, 4000],
    "leaderQuietMs": 3000,
    "leaderAnswerMs": 1000,
}
"""Client timings of a short run; all others are the real ones."""
BUSY_SECONDS = 20.0
"""Seconds that a busy machine may take in addition to the timings.

It is less than the ten minutes between two syncs of a live page, which would hide a failure.
"""


NUMBER = re.compile(r"\b([A-Za-z_]+)( = |: )(?:\[([\d_, ]+)\]|([\d_]+))(?=[;,])")
"""Pattern of a timing in that file: ``export const NAME_MS = 1_000;`` or ``nameMs: 1_000,``."""


@cache
def defaults() -> dict[str, float | list[float]]:
    """Return the client's own timings, by names in camel case."""
    found: dict[str, float | list[float]] = {}
    for name, _, steps, number in NUMBER.findall(SOURCE.read_text()):
        found[_camel(name)] = [float(step) for step in steps.split(",")] if steps else float(number)
    return found


def timings(*, short: bool) -> dict[str, float | list[float]]:
    """Return all timings, in milliseconds."""
    return {**defaults(), **(SHORT_TIMINGS if short else {})}


def deadline(*names: str) -> float:
    """Return the seconds within which these timings have passed in a short run, one after another.

    Names are those of `SHORT_TIMINGS` and, without their prefix, of `SHORT_SETTINGS`. A probe takes a quarter longer.
    """
    return BUSY_SECONDS + sum(_longest(name) for name in names)


def _longest(name: str) -> float:
    if name.isupper():
        return SHORT_SETTINGS[f"CATMAID_NOTIFY_{name}"]
    value = SHORT_TIMINGS[name]
    return (1.25 * max(value) if isinstance(value, list) else value) / 1000


def shortened() -> str:
    """Return the client's file with the timings of a short run."""

    def replace(found: re.Match[str]) -> str:
        value = SHORT_TIMINGS.get(_camel(found[1]))
        return found[0] if value is None else f"{found[1]}{found[2]}{value}"

    return NUMBER.sub(replace, SOURCE.read_text())


def _camel(name: str) -> str:
    if not name.isupper():
        return name
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)
