"""``manage.py check``: each wrong setting is found, by its id, and a right one is not."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import celery
import pytest
from django.core.checks import registry
from django.core.checks import run_checks as django_checks

from catmaid_notify import checks
from catmaid_notify.checks import setting_ranges
from catmaid_notify.conf import Conf
from tests.support.process import ROOT
from tests.support.sources import source_of

OURS = "catmaid_notify.layers.RabbitmqChannelLayer"
NAMES = [name for name in vars(Conf) if name.isupper()]


@pytest.fixture(autouse=True)
def sound_site(settings, monkeypatch):
    """The settings of a site on which no check has anything to say."""
    celery_accepts(monkeypatch, "json")
    settings.CHANNEL_LAYERS = layer()
    settings.DEBUG = False


def celery_accepts(monkeypatch, *names: str) -> None:
    """Stand in for the current Celery application, which reads Django's settings once a process."""
    monkeypatch.setattr(celery, "current_app", SimpleNamespace(conf=SimpleNamespace(accept_content=names)))


def layer(backend: str = OURS, **config: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": backend, "CONFIG": {"host": "amqp://guest:guest@localhost/asgi"} | config}}


def found() -> list[str]:
    """Return the ids of all messages of this app, those of ``--deploy`` included."""
    messages = django_checks(tags=[checks.TAG], include_deployment_checks=True)
    assert all(message.hint for message in messages)
    return [str(message.id).removeprefix("catmaid_notify.") for message in messages]


def said() -> str:
    return " ".join(f"{message.msg} {message.hint}" for message in django_checks(tags=[checks.TAG]))


def test_sound_site__nothing_to_say():
    assert found() == []


# -- Layer


def test_layer__none(settings):
    settings.CHANNEL_LAYERS = {}
    assert found() == ["W001"]
    del settings.CHANNEL_LAYERS
    assert found() == ["W001"]


def test_layer__other_alias(settings):
    settings.CATMAID_NOTIFY_CHANNEL_LAYER = "push"
    assert found() == ["E001"]
    assert "'push'" in said()


@pytest.mark.parametrize(
    "backend", [None, "", "no_such_package.Layer", "catmaid_notify.layers.Layer", "json.JSONDecoder"]
)
def test_layer__wrong_backend(settings, backend):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    assert found() == ["E002"]


@pytest.mark.parametrize("backend", ["core.RedisChannelLayer", "pubsub.RedisPubSubChannelLayer"])
def test_layer__of_others(settings, backend):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"channels_redis.{backend}"}}
    assert found() == []


@pytest.mark.parametrize(
    "config",
    [
        {"host": "localhost:5672"},
        {"host": "http://localhost"},
        {"host": "amqp://user:s3cret@localhost:port/"},
        {"host": None, "hosts": []},
        {"capacity": 5},
        {"expiry": "60"},
    ],
)
def test_layer__wrong_config(settings, config):
    settings.CHANNEL_LAYERS = layer(**config)
    assert "E003" in found()
    assert "s3cret" not in said()


def test_layer__key_that_the_classic_layer_does_not_know(settings):
    settings.CHANNEL_LAYERS = layer("channels_rabbitmq.core.RabbitmqChannelLayer", password="s3cret")
    assert "E003" in found()
    assert "takes no 'password'" in said()
    settings.CHANNEL_LAYERS = layer("channels_rabbitmq.core.RabbitmqChannelLayer", local_capacity=5)
    assert "E003" not in found()


def test_layer__config_with_capacities_by_pattern(settings):
    settings.CHANNEL_LAYERS = layer(channel_capacity={"jobs.*": 5})
    assert found() == []


def test_layer__in_memory(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    assert found() == ["W002"]
    assert not django_checks(tags=[checks.TAG]), "only for a server that the public uses"


# -- Site


@pytest.mark.parametrize("app", ["django.contrib.sessions", "django.contrib.staticfiles"])
def test_site__app_is_missing(settings, app):
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != app]
    assert found() == ["W003"]


def test_site__nothing_sets_the_user(settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "Authentication" not in path]
    assert found() == ["E004"]


def test_site__middleware_of_its_own_sets_the_user(settings):
    settings.MIDDLEWARE = [f"{__name__}.{name}" for name in ("a_function", "AuthenticationByToken")]
    assert found() == []


class AuthenticationByToken:
    """What an API site may have in place of Django's middleware."""

    def __init__(self, get_response):
        """Whichever test is the first to import the site's application makes one."""


def a_function(get_response):
    """Middleware need not be a class."""
    return get_response


def test_site__templates_without_request(settings):
    engine = {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"context_processors": []}}
    settings.TEMPLATES = [engine]
    assert found() == ["E005"]
    settings.TEMPLATES = []
    assert found() == []


def test_site__urls_are_missing(settings):
    settings.ROOT_URLCONF = "tests.support.no_urls"
    assert found() == ["E006"]


@pytest.mark.parametrize("path", ["mysite.asgi.application", "tests.asgi.app", "application"])
def test_site__asgi_application_is_not_there(settings, path):
    settings.ASGI_APPLICATION = path
    assert found() == ["E007"]


def test_site__no_asgi_application(settings):
    del settings.ASGI_APPLICATION
    assert found() == ["W004"]
    settings.CHANNEL_LAYERS = {}
    assert found() == ["W001"], "a site that polls needs none"


def test_site__asgi_application_of_django_alone(settings):
    settings.ASGI_APPLICATION = "tests.support.plain_asgi.application"
    assert found() == ["E008"]


def test_site__runserver_without_sockets(settings):
    settings.DEBUG = True
    assert found() == ["W005"]


@pytest.mark.parametrize(
    ("engine", "cache", "ids"),
    [
        ("cache", "locmem.LocMemCache", ["W006"]),
        ("cache", "dummy.DummyCache", ["W006"]),
        ("cache", "redis.RedisCache", []),
        ("cached_db", "locmem.LocMemCache", []),
        ("db", "locmem.LocMemCache", []),
    ],
)
def test_site__sessions_of_one_process(settings, engine, cache, ids):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{cache}"}}
    assert found() == ids


# -- Security


def test_security__all_hosts(settings):
    settings.ALLOWED_HOSTS = ["www.example.org", "*"]
    assert found() == ["W007"]


@pytest.mark.parametrize("name", ["SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT"])
@pytest.mark.parametrize(
    "mended",
    [
        {},
        {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
        {"CSRF_TRUSTED_ORIGINS": ["https://www.example.org"]},
        {"CATMAID_NOTIFY_ALLOWED_ORIGINS": ["https://www.example.org"]},
    ],
)
def test_security__tls_that_nobody_tells(settings, name, mended):
    setattr(settings, name, True)
    for other, value in mended.items():
        setattr(settings, other, value)
    assert found() == ([] if mended else ["W008"])


@pytest.mark.parametrize(
    "given",
    [
        {"CELERY_ACCEPT_CONTENT": ["json", "pickle"]},
        {"CELERY_ACCEPT_CONTENT": ["application/x-python-serialize"]},
        {"CELERY_ACCEPT_CONTENT": {"yaml"}},
        {"CELERY_TASK_SERIALIZER": "pickle"},
    ],
)
def test_security__celery_takes_pickle(settings, given):
    for name, value in given.items():
        setattr(settings, name, value)
    assert found() == ["W009"]


def test_security__celery_application_takes_pickle(monkeypatch):
    celery_accepts(monkeypatch, "json", "pickle")
    assert found() == ["W009"]


@pytest.mark.parametrize(
    ("host", "ids"),
    [
        ("amqp://site:s3cret@localhost/asgi", ["W010"]),
        ("amqp://site:s%403cret@localhost/asgi", ["W010"]),
        ("amqp://guest:guest@localhost/asgi", []),
        ("amqp://localhost/asgi", []),
    ],
)
def test_security__password_on_error_pages(settings, host, ids):
    settings.CHANNEL_LAYERS = layer(host=host)
    assert found() == ids
    settings.CHANNEL_LAYERS = layer(host=None, hosts=["amqp://localhost", host])
    assert found() == ids


def test_security__password_in_settings_of_other_names(settings):
    settings.CHANNEL_LAYERS = layer(host="amqp://localhost", username="site", password="s3cret")
    assert found() == []
    settings.CELERY_BROKER_URL = "amqp://site:s3cret@localhost/"
    assert found() == ["W010"]
    settings.CELERY_BROKER_URL = "amqp://localhost/"
    settings.CELERY_BROKER_PASSWORD = "s3cret"
    assert found() == []


def test_security__urls_that_cannot_be_read(settings):
    settings.CELERY_BROKER_URL = "amqp://[::1"
    assert found() == []


# -- Our own settings


def test_settings__misspelt(settings):
    settings.CATMAID_NOTIFY_PING_SECOND = 5
    settings.CATMAID_NOTIFY_QQQ = 5
    assert found() == ["W011", "W011"]
    assert "Did you mean CATMAID_NOTIFY_PING_SECONDS?" in said()


@pytest.mark.parametrize("name", NAMES)
def test_settings__of_the_wrong_type(settings, name):
    setattr(
        settings, f"CATMAID_NOTIFY_{name}", {"an": "object"} if name != "ALLOWED_ORIGINS" else "https://example.org"
    )
    assert "E009" in found()


@pytest.mark.parametrize("name", [name for name in NAMES if isinstance(getattr(Conf, name), int | float)])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "5"])
def test_settings__out_of_range(settings, name, value):
    setattr(settings, f"CATMAID_NOTIFY_{name}", value)
    assert "E009" in found()


@pytest.mark.parametrize("name", NAMES)
def test_settings__defaults_are_sound(name):
    assert setting_ranges.trouble(name, getattr(Conf, name)) == ""


def test_settings__zero_where_it_means_at_once(settings):
    settings.CATMAID_NOTIFY_GROUP_LINGER_SECONDS = 0
    assert found() == []
    settings.CATMAID_NOTIFY_POLL_SECONDS = 0
    assert found() == ["E009"]


def test_settings__path_of_the_socket(settings):
    settings.CATMAID_NOTIFY_UPDATES_PATH = "channels/updates/"
    assert found() == ["E009"]
    settings.CATMAID_NOTIFY_UPDATES_PATH = "/site/channels/updates/"
    assert found() == []


def test_settings__ping_that_is_too_rare(settings):
    settings.CATMAID_NOTIFY_PING_SECONDS = 60
    assert found() == ["W012"]


@pytest.mark.parametrize(
    "origin", ["www.example.org", "https://www.example.org/", "https://*", "ftp://example.org", "*"]
)
def test_settings__no_origin(settings, origin):
    settings.CATMAID_NOTIFY_ALLOWED_ORIGINS = ["https://example.org", "https://*.example.org:8443", origin]
    assert found() == ["E010"]


@pytest.mark.parametrize("path", ["tests.no_such.function", "tests.settings.SECRET_KEY", "function"])
def test_settings__callable_that_is_none(settings, path):
    settings.CATMAID_NOTIFY_NOTIFICATION_COUNT = path
    assert found() == ["E011"]
    settings.CATMAID_NOTIFY_NOTIFICATION_COUNT = "builtins.id"
    assert found() == []


# -- All of them


def ids_by_check() -> dict[str, set[str]]:
    source = source_of(checks)
    functions = re.split(r"^def ", source, flags=re.MULTILINE)[1:]
    letters = {"make_error": "E", "make_warning": "W"}
    return {
        function.partition("(")[0]: {
            f"{letters[kind]}{int(number):03}"
            for kind, number in re.findall(r"(make_error|make_warning)\(\s*(\d+)", function)
        }
        for function in functions
    }


def test_ids__belong_to_one_check_each_without_gaps():
    ids = [one for ids in ids_by_check().values() for one in ids]
    assert len(ids) == len(set(ids))
    for letter in "EW":
        numbers = sorted(int(one[1:]) for one in ids if one.startswith(letter))
        assert numbers == list(range(1, len(numbers) + 1))


def test_ids__are_all_tested():
    tests = (ROOT / "tests/checks/test_checks.py").read_text()
    assert {one for ids in ids_by_check().values() for one in ids} <= set(re.findall(r'"([EW]\d{3})"', tests))


def test_checks__are_all_registered():
    ours = {name for name in ids_by_check() if name.startswith("check_")}
    registered = registry.registry.registered_checks | registry.registry.deployment_checks
    assert ours == {getattr(check, "__name__", "") for check in registered if checks.TAG in check.tags}
