"""Checks of the site around the app: apps, middleware, templates, URLs, ASGI, sessions."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import Tags
from django.core.handlers.asgi import ASGIHandler
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from catmaid_notify.checks.channel_layer import layer_settings
from catmaid_notify.checks.registration import Found, make_error, make_warning, registered


@registered()
def check_apps() -> Found:
    """Check that the apps that the inbox and its client need are installed."""
    for name, why in (
        ("django.contrib.sessions", "sockets are signed in by the session"),
        ("django.contrib.staticfiles", "pages load the browser client from the static files"),
    ):
        if not apps.is_installed(name):
            yield make_warning(
                3, f"{name!r} is not in INSTALLED_APPS, but {why}.", "Add it, unless another app replaces it."
            )


@registered()
def check_middleware() -> Found:
    """Check that a middleware sets ``request.user``."""
    if not any(_is_authentication(path) for path in settings.MIDDLEWARE):
        yield make_error(
            4,
            "No MIDDLEWARE sets request.user: everybody would count as signed out.",
            "Add django.contrib.sessions.middleware.SessionMiddleware and, after it, "
            "django.contrib.auth.middleware.AuthenticationMiddleware.",
        )


def _is_authentication(path: str) -> bool:
    from django.contrib.auth.middleware import AuthenticationMiddleware

    try:
        middleware = import_string(path)
    except ImportError:
        return False  # Django reports it itself when it starts
    # A middleware of the site may set the user, too; only its name gives a hint.
    is_class = isinstance(middleware, type)
    return (is_class and issubclass(middleware, AuthenticationMiddleware)) or "auth" in path.rpartition(".")[2].lower()


@registered(Tags.templates)
def check_templates() -> Found:
    """Check that the template tag finds the request in the context."""
    templates: list[dict[str, Any]] = settings.TEMPLATES
    engines = [one for one in templates if one.get("BACKEND", "").endswith(".DjangoTemplates")]
    processor = "django.template.context_processors.request"
    if engines and not any(processor in one.get("OPTIONS", {}).get("context_processors", ()) for one in engines):
        yield make_error(
            5,
            "No template engine has the request in its context: {% catmaid_notify %} prints nothing.",
            f'Add "{processor}" to the context_processors in TEMPLATES.',
        )


@registered(Tags.urls)
def check_urls() -> Found:
    """Check that the URLs of the inbox are included."""
    if not getattr(settings, "ROOT_URLCONF", ""):
        return
    try:
        reverse("catmaid_notify:unread")
    except NoReverseMatch:
        yield make_error(
            6,
            "The URLs of the inbox are not included: pages can't ask for messages.",
            'Add path("", include("catmaid_notify.urls")) to the urlpatterns of the site.',
        )


@registered()
def check_asgi_application() -> Found:
    """Check that ``ASGI_APPLICATION`` can be imported and serves sockets."""
    path = getattr(settings, "ASGI_APPLICATION", None)
    if layer_settings() is None:
        return
    if not path:
        yield make_warning(
            4,
            "ASGI_APPLICATION is not set: runserver serves no sockets.",
            'Set it to the dotted path of the application in asgi.py: ASGI_APPLICATION = "mysite.asgi.application".',
        )
        return
    try:
        application = import_string(path)
    except ImportError as error:
        yield make_error(
            7,
            f"ASGI_APPLICATION is {path!r}, which can't be imported: {error}",
            'Set it to the dotted path of the application in asgi.py, such as "mysite.asgi.application".',
        )
        return
    if isinstance(application, ASGIHandler):
        yield make_error(
            8,
            f"{path} is Django's own ASGI application, which serves no sockets.",
            "In its module set application = catmaid_notify.routing.application(), after django.setup().",
        )


@registered()
def check_runserver() -> Found:
    """Check that Daphne replaces ``runserver`` during development, since Django's own serves no sockets."""
    if settings.DEBUG and layer_settings() is not None and not apps.is_installed("daphne") and find_spec("daphne"):
        yield make_warning(
            5,
            "'daphne' is not in INSTALLED_APPS: manage.py runserver serves no sockets.",
            "For development add 'daphne' as the first of INSTALLED_APPS, or start an ASGI server beside runserver.",
        )


@registered()
def check_sessions() -> Found:
    """Check that the ASGI server can read the sessions that the WSGI server creates."""
    engine = settings.SESSION_ENGINE.rpartition(".")[2]
    backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
    if engine == "cache" and backend.endswith((".LocMemCache", ".DummyCache")):
        yield make_warning(
            6,
            f"Sessions are kept in {backend.rpartition('.')[2]}, which other processes can't read: "
            "sockets are closed with 4401.",
            "Keep sessions in the database or in a shared cache, such as Redis or memcached.",
        )
