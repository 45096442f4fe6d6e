"""Security checks: hosts, TLS, serialisation formats of Celery, passwords."""

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
"""Serialisation formats of Celery that can make their reader run code."""


@registered(Tags.security, deploy=True)
def check_allowed_hosts() -> Found:
    """Check that ``ALLOWED_HOSTS`` restricts the host names of sockets."""
    if "*" in settings.ALLOWED_HOSTS:
        yield make_warning(
            7,
            'ALLOWED_HOSTS has "*": the origin of a socket is compared with a host that the client chooses.',
            "List the host names of the site. Otherwise a foreign site that resolves to this address can open sockets.",
        )


@registered(Tags.security, deploy=True)
def check_tls_is_told() -> Found:
    """Check that a site with https recognises https behind a proxy that ends TLS."""
    trusted = (*settings.CSRF_TRUSTED_ORIGINS, *conf.ALLOWED_ORIGINS)
    by_tls = settings.SESSION_COOKIE_SECURE or settings.SECURE_SSL_REDIRECT
    if by_tls and not settings.SECURE_PROXY_SSL_HEADER and not any(str(one).startswith("https:") for one in trusted):
        yield make_warning(
            8,
            "The site uses https, but does not notice it behind a proxy that ends TLS: sockets are refused with 403.",
            'Set SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if your proxy sets that header, or '
            "add the address of the site to CSRF_TRUSTED_ORIGINS.",
        )


@registered(Tags.security)
def check_celery_formats() -> Found:
    """Check that Celery accepts no format that lets a writer of the broker run code in the workers."""
    accepted = {str(name) for name in _celery_accepts()}
    if accepted & CODE_FORMATS:
        yield make_warning(
            9,
            f"Celery accepts {', '.join(sorted(accepted & CODE_FORMATS))}: everybody who can write to "
            "the broker can run code in the workers.",
            'Set CELERY_ACCEPT_CONTENT = ["json"] and CELERY_TASK_SERIALIZER = "json".',
        )


def _celery_accepts() -> list[str]:
    """Return the formats that Celery accepts, by the settings and by the current application."""
    accepted = list(getattr(settings, "CELERY_ACCEPT_CONTENT", ()))
    accepted.append(getattr(settings, "CELERY_TASK_SERIALIZER", "json"))
    celery = sys.modules.get("celery")  # not imported here: the site may have no Celery
    if celery is not None:
        accepted += celery.current_app.conf.accept_content or ()
    return accepted


@registered(Tags.security, deploy=True)
def check_passwords_are_masked() -> Found:
    """Check that Django's error reports, which mask settings by their names, show no password of the broker."""
    shown = repr(get_default_exception_reporter_filter().get_safe_settings())
    if any(secret in shown for secret in broker_passwords()):
        yield make_warning(
            10,
            "The broker's password is part of a URL, which Django shows on error pages and in error mails.",
            'Give the password as "password" (with "username") in CONFIG of our layer, and as CELERY_BROKER_PASSWORD '
            "(with CELERY_BROKER_USER) for Celery. Read all of them from the environment; keep no URL with a password "
            "in a setting.",
        )


def broker_passwords() -> set[str]:
    """Return the passwords in the URLs of brokers, percent-encoded and decoded, without RabbitMQ's default "guest"."""
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
