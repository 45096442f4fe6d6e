"""Checks of the app's own settings."""

from __future__ import annotations

import difflib

from django.conf import settings
from django.core.checks import Tags
from django.utils.module_loading import import_string

from catmaid_notify.auth import origins
from catmaid_notify.checks import setting_ranges
from catmaid_notify.checks.registration import Found, make_error, make_warning, registered
from catmaid_notify.conf import PREFIX, Conf, conf


@registered()
def check_settings_known() -> Found:
    """No setting is misspelt."""
    known = [name for name in vars(Conf) if name.isupper()]
    given = [name.removeprefix(PREFIX) for name in dir(settings) if name.startswith(PREFIX)]
    for name in sorted(set(given) - set(known)):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists the settings."
        yield make_warning(11, f"There is no setting {PREFIX}{name}.", hint)


@registered()
def check_settings_values() -> Found:
    """Each setting has the type that it should have, and a value that can work."""
    for name in (name for name in vars(Conf) if name.isupper()):
        wrong = setting_ranges.trouble(name, getattr(conf, name))
        if wrong:
            yield make_error(9, f"{PREFIX}{name} {wrong}.", "docs/settings.md says what it is for, and its default.")


@registered()
def check_settings_together() -> Found:
    """Settings that depend on each other fit."""
    ping = conf.PING_SECONDS
    if not setting_ranges.trouble("PING_SECONDS", ping) and ping >= setting_ranges.PROXY_READ_SECONDS:
        yield make_warning(
            12,
            f"CATMAID_NOTIFY_PING_SECONDS is {ping:g}: proxies close a socket that is silent for "
            f"{setting_ranges.PROXY_READ_SECONDS} s.",
            "Ping more often than the read time-out of your proxy.",
        )


@registered(Tags.security)
def check_allowed_origins() -> Found:
    """Allowed origins are written as browsers send them."""
    if setting_ranges.trouble("ALLOWED_ORIGINS", conf.ALLOWED_ORIGINS):
        return  # of the wrong type, which is said elsewhere
    for one in conf.ALLOWED_ORIGINS:
        if origins.parse(str(one).replace("://*.", "://", 1)) is None:
            yield make_error(
                10,
                f"CATMAID_NOTIFY_ALLOWED_ORIGINS has {one!r}, which is no origin.",
                "Write scheme, host and, where it is not the default one, port: https://www.example.org:8443. No path.",
            )


@registered()
def check_notification_count() -> Found:
    """The callable for CATMAID's ``notification_count`` is there."""
    path = conf.NOTIFICATION_COUNT
    if not path:
        return
    try:
        counts = callable(import_string(str(path)))
    except ImportError:
        counts = False
    if not counts:
        yield make_error(
            11,
            f"CATMAID_NOTIFY_NOTIFICATION_COUNT is {path!r}, which is no function that can be imported.",
            "Give the dotted path of a function that takes a request and returns a number.",
        )
