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
    """Check that every setting ``CATMAID_NOTIFY_…`` exists."""
    known = [name for name in vars(Conf) if name.isupper()]
    given = [name.removeprefix(PREFIX) for name in dir(settings) if name.startswith(PREFIX)]
    for name in sorted(set(given) - set(known)):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists the settings."
        yield make_warning(11, f"There is no setting {PREFIX}{name}.", hint)


@registered()
def check_settings_values() -> Found:
    """Check the type and the range of each setting."""
    for name in (name for name in vars(Conf) if name.isupper()):
        wrong = setting_ranges.trouble(name, getattr(conf, name))
        if wrong:
            yield make_error(
                9, f"{PREFIX}{name} {wrong}.", "docs/settings.md explains the setting, and has its default."
            )


@registered()
def check_settings_together() -> Found:
    """Check settings against each other and against the defaults of proxies."""
    ping = conf.PING_SECONDS
    if not setting_ranges.trouble("PING_SECONDS", ping) and ping >= setting_ranges.PROXY_READ_SECONDS:
        yield make_warning(
            12,
            f"CATMAID_NOTIFY_PING_SECONDS is {ping:g}: proxies close a socket that is silent for "
            f"{setting_ranges.PROXY_READ_SECONDS} s.",
            "Set it lower than the read time-out of your proxy.",
        )


@registered(Tags.security)
def check_allowed_origins() -> Found:
    """Check that the allowed origins are written as browsers send them."""
    if setting_ranges.trouble("ALLOWED_ORIGINS", conf.ALLOWED_ORIGINS):
        return  # wrong type, which check_settings_values reports
    for one in conf.ALLOWED_ORIGINS:
        if origins.parse(str(one).replace("://*.", "://", 1)) is None:
            yield make_error(
                10,
                f"CATMAID_NOTIFY_ALLOWED_ORIGINS has {one!r}, which is not an origin.",
                "Write scheme, host and, unless it is the default one, port: https://www.example.org:8443. No path.",
            )


@registered()
def check_notification_count() -> Found:
    """Check that the function for CATMAID's ``notification_count`` can be imported."""
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
            f"CATMAID_NOTIFY_NOTIFICATION_COUNT is {path!r}, which is not a function that can be imported.",
            "Give the dotted path of a function that takes a request and returns a number.",
        )
