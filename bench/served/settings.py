"""Settings of the site. Values that differ between kinds come from the environment."""

from __future__ import annotations

import json
import os

from settings_example import *  # noqa: F403  what a site has, so that nothing is measured that none would run
from settings_example import INSTALLED_APPS as EXAMPLE_APPS
from tests.support import postgresql

SECRET_KEY = "only for the bench, on 127.0.0.1"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = EXAMPLE_APPS
ROOT_URLCONF = "bench.served.urls"
WSGI_APPLICATION = "bench.served.wsgi.application"
ASGI_APPLICATION = "bench.served.asgi.application"
STATIC_URL = "/static/"
# A site that cares for speed keeps connections open; Django's default opens one for each request.
DATABASES = {"default": {**postgresql.django_settings(os.environ["BENCH_DATABASE"]), "CONN_MAX_AGE": 60}}
CHANNEL_LAYERS = {"default": layer} if (layer := json.loads(os.environ.get("BENCH_LAYER", "{}"))) else {}
CELERY_BROKER_URL = os.environ.get("BENCH_AMQP_URL", "memory://")
# The fan-out row opens more sockets for one user than anybody has pages.
CATMAID_NOTIFY_SOCKETS_PER_USER = 100_000
EVENTSTREAM_REDIS = {"host": "127.0.0.1", "port": 6379, "db": 0}
