"""System checks: what ``manage.py check`` can see of a wrong set-up without any network. docs/checks.md lists them.

Each concern is one function; ``E`` is what can't work, ``W`` what works otherwise than you may think. Those of a server
that the public uses run with ``check --deploy`` only.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name for it
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string
from django.views.debug import get_default_exception_reporter_filter

from catmaid_notify import limits, origins
from catmaid_notify.conf import PREFIX, Conf, conf

TAG: Final = "catmaid_notify"
"""``manage.py check --tag catmaid_notify`` runs these checks alone."""
RABBITMQ_LAYERS: Final = ("catmaid_notify.layers.RabbitmqChannelLayer", "channels_rabbitmq.core.RabbitmqChannelLayer")
CLASSIC_KEYS: Final = {
    "expiry",
    "group_expiry",
    "groups_exchange",
    "host",
    "local_capacity",
    "local_expiry",
    "remote_capacity",
    "ssl_context",
}
"""What the ``CONFIG`` of channels_rabbitmq takes; ours takes more."""
IN_MEMORY_LAYER: Final = "channels.layers.InMemoryChannelLayer"
CODE_FORMATS: Final = {"pickle", "application/x-python-serialize", "yaml", "application/x-yaml"}
"""Formats of Celery whose readers can be made to run code."""

Found = Iterator[CheckMessage]
Check = Callable[[], Found]


def _registered(*tags: str, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check that yields its messages."""

    def decorate(check: Check) -> Check:
        def run(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
            return list(check())

        run.__name__ = check.__name__
        register(run, TAG, *tags, deploy=deploy)
        return check

    return decorate


def _error(number: int, text: str, hint: str) -> CheckMessage:
    return Error(text, hint=hint, id=f"catmaid_notify.E{number:03}")


def _warning(number: int, text: str, hint: str) -> CheckMessage:
    return Warning(text, hint=hint, id=f"catmaid_notify.W{number:03}")


# -- The channel layer


def layer_settings() -> Mapping[str, Any] | None:
    """Return the entry of ``CHANNEL_LAYERS`` that the app uses, ``None`` without one."""
    found: Mapping[str, Any] | None = getattr(settings, "CHANNEL_LAYERS", {}).get(str(conf.CHANNEL_LAYER))
    return found


@_registered()
def check_layer_exists() -> Found:
    """There is a channel layer, and it is the one that is meant."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if not layers:
        yield _warning(
            1,
            "CHANNEL_LAYERS is empty: nothing is pushed, pages ask for messages once a minute.",
            "Add the layer as settings_example.py shows it. If the site is to poll, put catmaid_notify.W001 into "
            "SILENCED_SYSTEM_CHECKS.",
        )
    elif layer_settings() is None:
        yield _error(
            1,
            f"CATMAID_NOTIFY_CHANNEL_LAYER is {conf.CHANNEL_LAYER!r}, and CHANNEL_LAYERS has only {sorted(layers)}.",
            "Name one of them, or add one of that name.",
        )


@_registered()
def check_layer_backend() -> Found:
    """The layer's class can be imported, and is a channel layer."""
    layer = layer_settings()
    if layer is None:
        return
    path = layer.get("BACKEND")
    try:
        backend = import_string(str(path))
    except ImportError as error:
        yield _error(
            2,
            f"The BACKEND of CHANNEL_LAYERS[{conf.CHANNEL_LAYER!r}] is {path!r}, which can't be imported: {error}",
            "Install what it needs (pip install 'catmaid-notify[rabbitmq]' for ours), or mend its spelling: "
            f"{RABBITMQ_LAYERS[0]!r}.",
        )
        return
    # Some layers are proxies of others, and have no methods of their own.
    if not (hasattr(backend, "group_send") or hasattr(backend, "__getattr__")):
        yield _error(
            2,
            f"The BACKEND of CHANNEL_LAYERS[{conf.CHANNEL_LAYER!r}] is {path!r}, which is no channel layer.",
            f"Take {RABBITMQ_LAYERS[0]!r}, or another one that settings_example.py names.",
        )


@_registered()
def check_layer_config() -> Found:
    """The ``CONFIG`` of a layer on RabbitMQ can be used: the broker's URL above all."""
    layer = layer_settings()
    if layer is None or layer.get("BACKEND") not in RABBITMQ_LAYERS:
        return
    from catmaid_notify.layers.options import LayerOptions

    given = {key: value for key, value in layer.get("CONFIG", {}).items() if key != "channel_capacity"}
    foreign = sorted(set(given) - CLASSIC_KEYS) if layer.get("BACKEND") == RABBITMQ_LAYERS[1] else []
    if foreign:
        yield _error(
            3, f"CHANNEL_LAYERS: channels_rabbitmq takes no {foreign[0]!r} in CONFIG.", f"Take {RABBITMQ_LAYERS[0]!r}."
        )
        return
    try:
        LayerOptions.from_config(given)
    except ImproperlyConfigured as error:
        yield _error(3, str(error), "docs/channel-layer.md lists the keys of CONFIG and what they take.")


@_registered(deploy=True)
def check_layer_in_memory() -> Found:
    """The in-memory layer reaches nobody outside of its own process."""
    layer = layer_settings()
    if layer is not None and layer.get("BACKEND") == IN_MEMORY_LAYER:
        yield _warning(
            2,
            "The channel layer lives in the memory of one process: what Celery workers and other servers send is not "
            "pushed.",
            f"For anything but development take {RABBITMQ_LAYERS[0]!r}.",
        )


# -- The site


@_registered()
def check_apps() -> Found:
    """The apps that the inbox and its client need are installed."""
    for name, why in (
        ("django.contrib.sessions", "sockets are signed in by the session"),
        ("django.contrib.staticfiles", "pages load the browser client from the static files"),
    ):
        if not apps.is_installed(name):
            yield _warning(3, f"{name!r} is not in INSTALLED_APPS, and {why}.", "Add it, unless something replaces it.")


@_registered()
def check_middleware() -> Found:
    """Somebody sets ``request.user``."""
    if not any(_is_authentication(path) for path in settings.MIDDLEWARE):
        yield _error(
            4,
            "MIDDLEWARE has nothing that sets request.user: everybody would count as signed out.",
            "Add django.contrib.sessions.middleware.SessionMiddleware and, after it, "
            "django.contrib.auth.middleware.AuthenticationMiddleware.",
        )


def _is_authentication(path: str) -> bool:
    from django.contrib.auth.middleware import AuthenticationMiddleware

    try:
        middleware = import_string(path)
    except ImportError:
        return False  # Django says so itself when it starts
    # A middleware of the site's own making may set the user; its name is all that tells.
    is_class = isinstance(middleware, type)
    return (is_class and issubclass(middleware, AuthenticationMiddleware)) or "auth" in path.rpartition(".")[2].lower()


@_registered(Tags.templates)
def check_templates() -> Found:
    """The template tag finds the request."""
    templates: list[dict[str, Any]] = settings.TEMPLATES
    engines = [one for one in templates if one.get("BACKEND", "").endswith(".DjangoTemplates")]
    processor = "django.template.context_processors.request"
    if engines and not any(processor in one.get("OPTIONS", {}).get("context_processors", ()) for one in engines):
        yield _error(
            5,
            "No template engine has the request in its context: {% catmaid_notify %} prints nothing.",
            f'Add "{processor}" to the context_processors in TEMPLATES.',
        )


@_registered(Tags.urls)
def check_urls() -> Found:
    """The inbox has its addresses."""
    if not getattr(settings, "ROOT_URLCONF", ""):
        return
    try:
        reverse("catmaid_notify:unread")
    except NoReverseMatch:
        yield _error(
            6,
            "The URLs of the inbox are not included: pages can't ask for messages.",
            'Add path("", include("catmaid_notify.urls")) to the urlpatterns of the site.',
        )


@_registered()
def check_asgi_application() -> Found:
    """What the ASGI server runs can be imported, and serves sockets."""
    path = getattr(settings, "ASGI_APPLICATION", None)
    if layer_settings() is None:
        return
    if not path:
        yield _warning(
            4,
            "ASGI_APPLICATION is not set: runserver serves no sockets.",
            'Set it to where the application of asgi.py is: ASGI_APPLICATION = "mysite.asgi.application".',
        )
        return
    try:
        application = import_string(path)
    except ImportError as error:
        yield _error(
            7,
            f"ASGI_APPLICATION is {path!r}, which can't be imported: {error}",
            'It is the dotted path of the application in asgi.py, such as "mysite.asgi.application".',
        )
        return
    if isinstance(application, ASGIHandler):
        yield _error(
            8,
            f"{path} is Django's own ASGI application, which serves no sockets.",
            "Its module has to set application = catmaid_notify.routing.application(), after django.setup().",
        )


@_registered()
def check_runserver() -> Found:
    """While developing, ``runserver`` serves sockets only if it is that of Daphne."""
    if settings.DEBUG and layer_settings() is not None and not apps.is_installed("daphne") and find_spec("daphne"):
        yield _warning(
            5,
            "'daphne' is not in INSTALLED_APPS: manage.py runserver serves no sockets.",
            "For development put 'daphne' first into INSTALLED_APPS, or start an ASGI server beside runserver.",
        )


@_registered()
def check_sessions() -> Found:
    """The ASGI server sees the sessions that the WSGI server makes."""
    engine = settings.SESSION_ENGINE.rpartition(".")[2]
    backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
    if engine == "cache" and backend.endswith((".LocMemCache", ".DummyCache")):
        yield _warning(
            6,
            f"Sessions are kept in {backend.rpartition('.')[2]}, which other processes can't see: "
            "sockets are closed with 4401.",
            "Keep sessions in the database or in a cache that is shared, such as Redis or memcached.",
        )


# -- Security


@_registered(Tags.security, deploy=True)
def check_allowed_hosts() -> Found:
    """The host that a socket is opened on is one of the site's."""
    if "*" in settings.ALLOWED_HOSTS:
        yield _warning(
            7,
            'ALLOWED_HOSTS has "*": the origin of a socket is compared with whatever host its request names.',
            "List the host names of the site; a foreign site that resolves to this address could open sockets.",
        )


@_registered(Tags.security, deploy=True)
def check_tls_is_told() -> Found:
    """A site that is reached by https knows it behind a proxy."""
    trusted = (*settings.CSRF_TRUSTED_ORIGINS, *conf.ALLOWED_ORIGINS)
    by_tls = settings.SESSION_COOKIE_SECURE or settings.SECURE_SSL_REDIRECT
    if by_tls and not settings.SECURE_PROXY_SSL_HEADER and not any(str(one).startswith("https:") for one in trusted):
        yield _warning(
            8,
            "The site uses https, but nothing tells it so behind a proxy that ends TLS: sockets are refused with 403.",
            'Set SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if your proxy sets that header, or '
            "add the address of the site to CSRF_TRUSTED_ORIGINS.",
        )


@_registered(Tags.security)
def check_celery_formats() -> Found:
    """Who can write to the broker must not be able to run code in the workers."""
    accepted = {str(name) for name in _celery_accepts()}
    if accepted & CODE_FORMATS:
        yield _warning(
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


@_registered(Tags.security, deploy=True)
def check_passwords_are_masked() -> Found:
    """Django's error pages and error mails show settings, without those whose names sound secret."""
    shown = repr(get_default_exception_reporter_filter().get_safe_settings())
    if any(secret in shown for secret in broker_passwords()):
        yield _warning(
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


# -- Our own settings


@_registered()
def check_settings_known() -> Found:
    """No setting is misspelt."""
    known = [name for name in vars(Conf) if name.isupper()]
    given = [name.removeprefix(PREFIX) for name in dir(settings) if name.startswith(PREFIX)]
    for name in sorted(set(given) - set(known)):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists the settings."
        yield _warning(11, f"There is no setting {PREFIX}{name}.", hint)


@_registered()
def check_settings_values() -> Found:
    """Each setting has the type that it should have, and a value that can work."""
    for name in (name for name in vars(Conf) if name.isupper()):
        wrong = limits.trouble(name, getattr(conf, name))
        if wrong:
            yield _error(9, f"{PREFIX}{name} {wrong}.", "docs/settings.md says what it is for, and its default.")


@_registered()
def check_settings_together() -> Found:
    """Settings that depend on each other fit."""
    ping = conf.PING_SECONDS
    if not limits.trouble("PING_SECONDS", ping) and ping >= limits.PROXY_READ_SECONDS:
        yield _warning(
            12,
            f"CATMAID_NOTIFY_PING_SECONDS is {ping:g}: proxies close a socket that is silent for "
            f"{limits.PROXY_READ_SECONDS} s.",
            "Ping more often than the read time-out of your proxy.",
        )


@_registered(Tags.security)
def check_allowed_origins() -> Found:
    """Allowed origins are written as browsers send them."""
    if limits.trouble("ALLOWED_ORIGINS", conf.ALLOWED_ORIGINS):
        return  # of the wrong type, which is said elsewhere
    for one in conf.ALLOWED_ORIGINS:
        if origins.parse(str(one).replace("://*.", "://", 1)) is None:
            yield _error(
                10,
                f"CATMAID_NOTIFY_ALLOWED_ORIGINS has {one!r}, which is no origin.",
                "Write scheme, host and, where it is not the default one, port: https://www.example.org:8443. No path.",
            )


@_registered()
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
        yield _error(
            11,
            f"CATMAID_NOTIFY_NOTIFICATION_COUNT is {path!r}, which is no function that can be imported.",
            "Give the dotted path of a function that takes a request and returns a number.",
        )
