"""Settings of the tests: settings_example.py with everything in this process.

TEST_DATABASE=postgresql runs the same tests on PostgreSQL. Sites of real processes overlay these settings with theirs
(tests/support/site.py).
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from settings_example import *  # noqa: F403  the example is the base, so that it is tested, too
from settings_example import INSTALLED_APPS as EXAMPLE_APPS
from tests.support import postgresql

# Its tables must be known to what empties the database between tests. The classic environment lacks its packages, and
# sites, whose settings have another name, start in half the time without NumPy.
HAS_DEMO = os.environ.get("DJANGO_SETTINGS_MODULE") == "tests.settings" and bool(find_spec("tifffile"))
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
INSTALLED_APPS = [
    *EXAMPLE_APPS,
    "tests",
    *(["demo.crops", "demo.shared"] if HAS_DEMO else []),
]

ROOT_URLCONF = "tests.urls"
ASGI_APPLICATION = "tests.asgi.application"
WSGI_APPLICATION = "tests.wsgi.application"
STATIC_URL = "/static/"

if os.environ.get("TEST_DATABASE") == "postgresql":
    DATABASES = {
        "default": {
            **postgresql.django_settings("postgres"),
            "TEST": {"NAME": f"test_catmaid_notify_{os.getpid()}"},
            "OPTIONS": {"options": "-c synchronous_commit=off"},  # nothing has to survive a crash
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CELERY_BROKER_URL = "memory://"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; nobody's password is kept
