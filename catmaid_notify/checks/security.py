"""Checks of what lets strangers in: hosts, TLS, formats of messages, passwords."""

from __future__ import annotations

import sys
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.checks import Tags
from django.views.debug import get_default_exception_reporter_filter

from catmaid_notify.checks.channel_layer import layer_settings
from catmaid_notify.checks.registration import Found, make_warning, registered
from catmaid_notify.conf import conf

CODE_FORMATS: Final = {"pickle", "application/x-python-serialize", "yaml", "application/x-yaml"}
"""Formats of Celery whose readers can be made to run code."""


@registered(Tags.security, deploy=True)
def check_allowed_hosts() -> Found:
    """The host that a socket is opened on is one of the site's."""
    if "*" in settings.ALLOWED_HOSTS:
        yield make_warning(
            7,
            'ALLOWED_HOSTS has "*": the origin of a socket is compared with whatever host its request names.',
            "List the host names of the site; a foreign site that resolves to this address could open sockets.",
        )


@registered(Tags.security, deploy=True)
def check_tls_is_told() -> Found:
    """A site that is reached by https knows it behind a proxy."""
    trusted = (*settings.CSRF_TRUSTED_ORIGINS, *conf.ALLOWED_ORIGINS)
    by_tls = settings.SESSION_COOKIE_SECURE or settings.SECURE_SSL_REDIRECT
    if by_tls and not settings.SECURE_PROXY_SSL_HEADER and not any(str(one).startswith("https:") for one in trusted):
        yield make_warning(
            8,
            "The site uses https, but nothing tells it so behind a proxy that ends TLS: sockets are refused with 403.",
            'Set SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if your proxy sets that header, or '
            "add the address of the site to CSRF_TRUSTED_ORIGINS.",
        )


@registered(Tags.security)
def check_celery_formats() -> Found:
    """Who can write to the broker must not be able to run code in the workers."""
    accepted = {str(name) for name in _celery_accepts()}
    if accepted & CODE_FORMATS:
        yield make_warning(
            9,
            f"Celery accepts {', '.join(sorted(accepted & CODE_FORMATS))}: who can write to "
            "the broker can run code in the workers.",
            'Set CELERY_ACCEPT_CONTENT = ["json"] and CELERY_TASK_SERIALIZER = "json".',
        )


def _celery_accepts() -> list[str]:
    """Return the formats that Celery accepts, by the settings and by its application where there is one."""
    accepted = list(getattr(settings, "CELERY_ACCEPT_CONTENT", ()))
    accepted.append(getattr(settings, "CELERY_TASK_SERIALIZER", "json"))
    celery = sys.modules.get("celery")  # not imported for this: a site may have no Celery
    if celery is not None:
        accepted += celery.current_app.conf.accept_content or ()
    return accepted


@registered(Tags.security, deploy=True)
def check_passwords_are_masked() -> Found:
    """Django's error pages and error mails show settings, without those whose names sound secret."""
    shown = repr(get_default_exception_reporter_filter().get_safe_settings())
    if any(secret in shown for secret in broker_passwords()):
        yield make_warning(
            10,
            "The broker's password stands in a URL, which Django's error pages and error mails show.",
            'In CONFIG of our layer give it as "password" (with "username") and not in "host", for Celery as '
            "CELERY_BROKER_PASSWORD (with CELERY_BROKER_USER). Read all of them from the environment; keep no URL "
            "with a password in a setting.",
        )


def broker_passwords() -> set[str]:
    """Return the passwords in the URLs of brokers, percent-encoded and not; that of guest is no secret."""
    config = (layer_settings() or {}).get("CONFIG", {})
    hosts = config.get("hosts") or ()
    urls = [config.get("host"), *(hosts if isinstance(hosts, list | tuple) else ())]
    urls.append(getattr(settings, "CELERY_BROKER_URL", ""))
    found = {_password(url) for url in urls if isinstance(url, str)}
    return {form for secret in found for form in (secret, unquote(secret))} - {"", "guest"}


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
