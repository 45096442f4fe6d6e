"""Settings of the demo. No environment variable is needed; ``demo/README.md`` lists them.

Without AMQP_URL everything runs in one process: SQLite, Channels' in-memory layer, a Celery worker thread. With
AMQP_URL, messages and tasks go through RabbitMQ.
"""

from __future__ import annotations

import os
from pathlib import Path

from demo import environment

ROOT = Path(__file__).resolve().parent
DEMO_VAR = Path(os.environ.get("DEMO_VAR") or ROOT / "var").resolve()
"""Folder of all files that the demo writes."""
DEMO_VAR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = os.environ.get("DEMO_SECRET_KEY") or environment.secret_key(DEMO_VAR)
DEBUG = False  # static files are served all the same, see asgi.py; tracebacks belong in the terminal
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *filter(None, os.environ.get("DEMO_HOSTS", "").split(","))]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "catmaid_notify",
    "demo.crops",
    "demo.shared",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "demo.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "demo.urls"
ASGI_APPLICATION = "demo.asgi.application"
WSGI_APPLICATION = "demo.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"

DATABASES = {"default": environment.database(os.environ.get("DATABASE_URL", ""), DEMO_VAR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "index"
LOGOUT_REDIRECT_URL = "login"
# Cookies don't depend on the port: other sites on this machine must not replace the demo's session, nor it theirs.
SESSION_COOKIE_NAME = "demo_sessionid"
CSRF_COOKIE_NAME = "demo_csrftoken"

AMQP_URL = os.environ.get("AMQP_URL", "")
if AMQP_URL:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer", "CONFIG": {"host": AMQP_URL}}
    }
    CELERY_BROKER_URL = AMQP_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, float] = {"confirm_publish": True, "confirm_timeout": 5}
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CELERY_BROKER_URL = "memory://localhost/"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.1}  # seconds
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # tasks are long: none should wait behind another one while a worker is idle
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A user waits for the answer to a request for a crop, so an absent broker must be an error within seconds.
CELERY_BROKER_CONNECTION_TIMEOUT = 4  # seconds
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0}

CATMAID_NOTIFY_POLL_SECONDS = environment.number("DEMO_POLL_SECONDS", 60)

DEMO_STACKS = Path(os.environ["DEMO_STACKS"]).resolve() if os.environ.get("DEMO_STACKS") else None
"""Description of other stacks; ``None``: the sample."""
DEMO_CROPS = DEMO_VAR / "crops"
"""Folder of the TIFF files."""
DEMO_CROP_BYTES_MAX = environment.number("DEMO_CROP_BYTES_MAX", 512 * 10**6)
"""Largest size of a crop's pixels in bytes. Larger requests are refused before any work is done."""
DEMO_CROP_SECONDS_MAX = environment.number("DEMO_CROP_SECONDS_MAX", 1800)
"""Longest duration of a crop in seconds, where Celery can stop it (in its prefork pool)."""
DEMO_CROPS_AT_ONCE = environment.number("DEMO_CROPS_AT_ONCE", 5)
"""Unfinished crops of one user; further requests are refused."""
DEMO_CROP_DAYS = environment.number("DEMO_CROP_DAYS", 7)
"""Days for which a finished crop can be downloaded."""
DEMO_DISK_RESERVE_BYTES = environment.number("DEMO_DISK_RESERVE_BYTES", 100 * 10**6, least=0)
"""Bytes that crops must leave free on the disk."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "demo": {"level": "INFO"},
        "catmaid_notify": {"level": "INFO"},
        "django.request": {"level": "ERROR"},  # 404 responses are not worth a line
    },
}
