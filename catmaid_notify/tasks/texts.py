"""Texts about tasks that can be shown to users and stored, whatever a task's own code returns. Needs Celery."""

from __future__ import annotations

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.exceptions import TaskRevokedError
from django.utils.translation import gettext as _

from catmaid_notify.conf import conf
from catmaid_notify.exceptions import UserTaskError


def fit(text: object, length_max: int) -> str:
    """Return ``text`` as a string that databases can store, without NUL and lone surrogates.

    Args:
        text: any object; its ``str()`` is taken.
        length_max: characters that are kept; a longer text ends in "…".
    """
    clean = str(text).replace("\0", "").encode("utf-8", "ignore").decode()
    return clean if len(clean) <= length_max else clean[: length_max - 1] + "…"


def fit_title(text: object) -> str:
    """Return ``text`` as the title of a message, cut to ``CATMAID_NOTIFY_TITLE_LENGTH_MAX``."""
    return fit(text, min(conf.TITLE_LENGTH_MAX, 255))


def failure_text(exc: BaseException) -> str:
    """Return a text about an exception for the user. Only a `UserTaskError` is quoted: others may hold secrets."""
    if isinstance(exc, UserTaskError):
        return fit(exc, conf.TEXT_LENGTH_MAX)
    if isinstance(exc, SoftTimeLimitExceeded | TimeLimitExceeded):
        return _("It took longer than this site allows.")
    if isinstance(exc, TaskRevokedError):
        if "expired" in str(exc):
            return _("It could not be started in time. Please start it again.")
        return _("It was cancelled by the administrators of this site.")
    if isinstance(exc, WorkerLostError):
        return _("Its worker process was stopped. Please start it again.")
    return _("An unexpected error happened. The administrators of this site find its cause in the log.")
