"""Example settings of a site with catmaid_notify: complete and importable. Copy what your own settings lack.

What belongs to this app is marked with [catmaid_notify]; the rest is what ``django-admin startproject`` writes.
Values that differ from host to host, or are secret, are read from the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent

# ---------------------------------------------------------------------------------------------------------------------
# The site
# ---------------------------------------------------------------------------------------------------------------------

DEBUG = os.environ.get("DJANGO_DEBUG", "") == "1"

# Signs the sessions by which sockets are authenticated: long, random, and the same for the WSGI and ASGI servers.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "")

# Host names of the site. Not ["*"]: the origin of a socket is checked against the host that it was opened on.
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost 127.0.0.1").split()

# Behind a proxy that ends TLS: the address of the site as browsers see it.
CSRF_TRUSTED_ORIGINS = os.environ.get("DJANGO_TRUSTED_ORIGINS", "").split()

INSTALLED_APPS = [
    # [catmaid_notify] First of all, and only for development: Daphne makes `manage.py runserver` serve WebSockets, too.
    *(["daphne"] if DEBUG else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "catmaid_notify",  # [catmaid_notify]
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # [catmaid_notify] Optional: answers polls that find nothing new before the rest of the site is asked.
    "catmaid_notify.middleware.poll",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                # [catmaid_notify] {% catmaid_notify %} takes the user from the request.
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"

# [catmaid_notify] What Daphne serves. The whole of an asgi.py, for a site that has none yet:
#     os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
#     application = catmaid_notify.routing.application()
ASGI_APPLICATION = "mysite.asgi.application"

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("PGDATABASE", "mysite"),
        "USER": os.environ.get("PGUSER", "mysite"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "PORT": os.environ.get("PGPORT", "5432"),
    },
    # For a try, without a server:
    # "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True  # [catmaid_notify] The times of messages carry their zone.

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] RabbitMQ, which Celery and the channel layer share
# ---------------------------------------------------------------------------------------------------------------------

# amqp://host:port/vhost. A user, a password and a vhost of the site's own, here "asgi":
#     rabbitmqctl add_user asgi <password>
#     rabbitmqctl add_vhost asgi
#     rabbitmqctl set_permissions -p asgi asgi '.*' '.*' '.*'
# User and password are not part of the URL: Django masks values on its error pages, and in error mails, by their names.
AMQP_URL = os.environ.get("AMQP_URL", "amqp://localhost:5672/")
AMQP_USERNAME = os.environ.get("AMQP_USERNAME")  # None: guest, or what a URL says all the same
AMQP_PASSWORD = os.environ.get("AMQP_PASSWORD")

# The layer carries pushes from wherever they are made (a web server, a Celery worker, a command) to the ASGI servers.
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer",
        "CONFIG": {"host": AMQP_URL, "username": AMQP_USERNAME, "password": AMQP_PASSWORD},
    },
    # The layer of the classic CATMAID guide, from the package channels-rabbitmq (requirements-async.txt). It speaks the
    # same bytes, so that both can be used in one vhost while a site moves from one to the other. User and password have
    # to be part of its URL:
    # "default": {
    #     "BACKEND": "channels_rabbitmq.core.RabbitmqChannelLayer",
    #     "CONFIG": {"host": AMQP_URL},
    # },
    #
    # Redis instead of RabbitMQ, from the package channels_redis:
    # "default": {
    #     "BACKEND": "channels_redis.core.RedisChannelLayer",
    #     # redis-py 8 by itself gives up after 5 s, which is as long as channels_redis waits for a message.
    #     "CONFIG": {
    #         "hosts": [{"address": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), "socket_timeout": 15}],
    #     },
    # },
    #
    # No server at all, for development: everything, the tasks included, has to run in one process.
    # "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] Celery: app.config_from_object("django.conf:settings", namespace="CELERY") reads these
# ---------------------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = AMQP_URL
CELERY_BROKER_USER = AMQP_USERNAME
CELERY_BROKER_PASSWORD = AMQP_PASSWORD
# Nothing but JSON is accepted: who can write to the broker can run code in workers that take pickle.
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
# Results reach the user as messages; a task whose return value is read by code needs a result backend as well.
CELERY_TASK_IGNORE_RESULT = True
# Tasks are long: no worker takes more of them off the queue than it works on.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = TIME_ZONE

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] Its own settings: all of them, with their defaults. Uncomment what you change.
# ---------------------------------------------------------------------------------------------------------------------

# [settings of catmaid_notify: begin]
#
# Alias in `CHANNEL_LAYERS` of the layer that carries the pushes.
# CATMAID_NOTIFY_CHANNEL_LAYER = "default"

# -- What the browser is told
#
# [seconds] How often a page without a socket asks the inbox.
# CATMAID_NOTIFY_POLL_SECONDS = 60
#
# [seconds] How often a page with a socket compares itself with the inbox all the same.
# CATMAID_NOTIFY_LIVE_SYNC_SECONDS = 600
#
# [seconds] How often the server asks a socket for a sign of life; keep it below the proxy's read time-out.
# CATMAID_NOTIFY_PING_SECONDS = 25
#
# Path of the socket as the browser sees it; empty: script prefix + `channels/updates/`.
# CATMAID_NOTIFY_UPDATES_PATH = ""
#
# Messages in one page of the inbox when the client doesn't say.
# CATMAID_NOTIFY_PAGE_SIZE = 50
#
# Dotted path of a callable(request) -> int for CATMAID's `notification_count`; empty: 0.
# CATMAID_NOTIFY_NOTIFICATION_COUNT = ""

# -- Who may connect, and how much
#
# Origins (`https://host[:port]`) that may open sockets besides the site's own and `CSRF_TRUSTED_ORIGINS`.
# CATMAID_NOTIFY_ALLOWED_ORIGINS = ()
#
# [seconds] How often all open sockets are checked for sessions and users that have ended without anybody saying so.
# CATMAID_NOTIFY_SESSION_CHECK_SECONDS = 30
#
# Open sockets of one user in one process; further ones are refused with 4409.
# CATMAID_NOTIFY_SOCKETS_PER_USER = 100
#
# [bytes] Size of a frame from a client; larger ones close the socket.
# CATMAID_NOTIFY_FRAME_BYTES_MAX = 1024
#
# Frames from one client; more close the socket with 4429.
# CATMAID_NOTIFY_FRAMES_PER_MINUTE = 240
#
# [seconds] How long a socket may take to answer a ping before it is closed with 4408.
# CATMAID_NOTIFY_PONG_SECONDS = 10
#
# [bytes] Bytes sent to a socket since its last pong; more close it with 4408.
# CATMAID_NOTIFY_UNACKED_BYTES_MAX = 2 * 1024 * 1024

# -- Topics
#
# Topics that one socket may follow; further ones are refused.
# CATMAID_NOTIFY_TOPICS_PER_SOCKET = 100
#
# [seconds] How often it is asked again whether the followers of a topic may follow it.
# CATMAID_NOTIFY_TOPIC_CHECK_SECONDS = 60
#
# [seconds] How often a process with sockets says that it lives; after three times without, its users count as gone.
# CATMAID_NOTIFY_PRESENCE_SECONDS = 15

# -- What may be stored and sent
#
# Characters of a message's title (at most 255, the width of the column).
# CATMAID_NOTIFY_TITLE_LENGTH_MAX = 200
#
# Characters of a message's text.
# CATMAID_NOTIFY_TEXT_LENGTH_MAX = 20_000
#
# [bytes] Size of an event's payload as JSON in UTF-8.
# CATMAID_NOTIFY_PAYLOAD_BYTES_MAX = 64 * 1024

# -- Delivery
#
# [seconds] How often the hub compares the inbox with what it has pushed.
# CATMAID_NOTIFY_RECONCILE_SECONDS = 30
#
# [seconds] How far a round looks back beyond the last one, for transactions that were open meanwhile.
# CATMAID_NOTIFY_RECONCILE_OVERLAP_SECONDS = 60
#
# [seconds] How long a group stays joined after its last socket left, so that a reload costs no broker call.
# CATMAID_NOTIFY_GROUP_LINGER_SECONDS = 10
#
# [seconds] How long a new socket waits for the broker before it is closed with 4503.
# CATMAID_NOTIFY_CONNECT_SECONDS = 8
#
# Pushes that wait in one process for a layer that is not ours; further ones are dropped and found by reconciling.
# `RabbitmqChannelLayer` has `publish_queue` in its `CONFIG`.
# CATMAID_NOTIFY_PUBLISH_QUEUE_MAX = 10_000
#
# [seconds] How long a push may wait for a layer that is not ours before it is dropped. `RabbitmqChannelLayer` has
# `publish_timeout` in its `CONFIG`.
# CATMAID_NOTIFY_PUBLISH_SECONDS = 10

# -- Tasks
#
# Progress updates of one task that are sent in a second.
# CATMAID_NOTIFY_PROGRESS_PER_SECOND = 4
#
# [seconds] How long the progress of a task that says nothing more is still shown.
# CATMAID_NOTIFY_PROGRESS_KEEP_SECONDS = 3600
#
# [settings of catmaid_notify: end]

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] Logging: one logger for what an operator should know, one below it for what was refused
# ---------------------------------------------------------------------------------------------------------------------

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "catmaid_notify": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # Refused origins, frames and subscriptions, one line each: what fail2ban and the like would read.
        "catmaid_notify.security": {"level": "INFO"},
    },
}
