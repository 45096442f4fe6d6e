"""Example settings of a site with catmaid_notify: complete and importable. Copy the parts that your settings lack.

Parts of this app are marked with [catmaid_notify]. The rest is written by ``django-admin startproject``.
Values that differ from host to host, and secrets, come from the environment.
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

# Signs the sessions that authenticate sockets: long, random, and the same for the WSGI and ASGI servers.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "")

# Host names of the site. Not ["*"]: the server compares the origin of a socket with the host of its request.
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost 127.0.0.1").split()

# The address of the site as browsers see it, if TLS ends at a proxy.
CSRF_TRUSTED_ORIGINS = os.environ.get("DJANGO_TRUSTED_ORIGINS", "").split()

INSTALLED_APPS = [
    # [catmaid_notify] First of all, for development only: with Daphne, `manage.py runserver` serves WebSockets.
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
    # [catmaid_notify] Optional: answers polls that find nothing new, without running the rest of the site.
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
                # [catmaid_notify] The tag {% catmaid_notify %} reads the user from the request.
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"

# [catmaid_notify] The application that Daphne serves. A site without an asgi.py writes one with these lines:
#     import os
#     import django
#     os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
#     django.setup()
#     from catmaid_notify import routing
#     application = routing.application()
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
    # To try it without a database server:
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

# amqp://host:port/vhost. Give the site its own user, password and vhost, here "asgi":
#     rabbitmqctl add_user asgi <password>
#     rabbitmqctl add_vhost asgi
#     rabbitmqctl set_permissions -p asgi asgi '.*' '.*' '.*'
# Do not write user and password into the URL: Django's error pages and error mails mask values by their names only.
AMQP_URL = os.environ.get("AMQP_URL", "amqp://localhost:5672/")
AMQP_USERNAME = os.environ.get("AMQP_USERNAME")  # None: the user in the URL, or guest
AMQP_PASSWORD = os.environ.get("AMQP_PASSWORD")

# The layer carries pushes from web servers, Celery workers and commands to the ASGI servers.
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "catmaid_notify.layers.RabbitmqChannelLayer",
        "CONFIG": {"host": AMQP_URL, "username": AMQP_USERNAME, "password": AMQP_PASSWORD},
    },
    # The layer of the classic CATMAID guide, from the package channels-rabbitmq (requirements-async.txt). Both layers
    # have the same format on the wire, so they can share a vhost while a site moves from one to the other. User and
    # password have to be part of its URL:
    # "default": {
    #     "BACKEND": "channels_rabbitmq.core.RabbitmqChannelLayer",
    #     "CONFIG": {"host": AMQP_URL},
    # },
    #
    # Redis instead of RabbitMQ, from the package channels_redis:
    # "default": {
    #     "BACKEND": "channels_redis.core.RedisChannelLayer",
    #     # The default time-out of redis-py 8 is 5 s: as long as channels_redis waits for a message, so too short.
    #     "CONFIG": {
    #         "hosts": [{"address": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), "socket_timeout": 15}],
    #     },
    # },
    #
    # For development, without any broker: everything, including the tasks, has to run in one process.
    # "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] Celery: app.config_from_object("django.conf:settings", namespace="CELERY") reads these
# ---------------------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = AMQP_URL
CELERY_BROKER_USER = AMQP_USERNAME
CELERY_BROKER_PASSWORD = AMQP_PASSWORD
# Accept only JSON. If a worker accepts pickle, everybody who can write to the broker can run code in it.
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
# Results reach the user as messages. If code reads the return value of a task, the site needs a result backend as well.
CELERY_TASK_IGNORE_RESULT = True
# Tasks are long: each worker process reserves only the task that it works on.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = TIME_ZONE

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] All settings of the app, with their defaults. Uncomment the ones that you change.
# ---------------------------------------------------------------------------------------------------------------------

# [settings of catmaid_notify: begin]
#
# Alias of the layer in `CHANNEL_LAYERS` that carries the pushes.
# CATMAID_NOTIFY_CHANNEL_LAYER = "default"

# -- Browser
#
# [seconds] Interval at which a page without a socket polls the inbox.
# CATMAID_NOTIFY_POLL_SECONDS = 60
#
# [seconds] Interval at which a page with a socket fetches the inbox, in case that a push was lost.
# CATMAID_NOTIFY_LIVE_SYNC_SECONDS = 600
#
# [seconds] Interval of the server's pings to a socket; keep it below the proxy's read time-out.
# CATMAID_NOTIFY_PING_SECONDS = 25
#
# Path of the WebSocket as the browser sees it; empty: the site's script prefix and `channels/updates/`.
# CATMAID_NOTIFY_UPDATES_PATH = ""
#
# Messages in one page of the inbox, unless the client asks for another number.
# CATMAID_NOTIFY_PAGE_SIZE = 50
#
# Dotted path of a callable(request) that returns CATMAID's `notification_count` as an int; empty: always 0.
# CATMAID_NOTIFY_NOTIFICATION_COUNT = ""

# -- Connections and limits
#
# Origins (`https://host[:port]`) that may open sockets, besides the site's own and `CSRF_TRUSTED_ORIGINS`.
# CATMAID_NOTIFY_ALLOWED_ORIGINS = ()
#
# [seconds] Interval at which the sessions and users of all open sockets are checked, for changes that sent no signal.
# CATMAID_NOTIFY_SESSION_CHECK_SECONDS = 30
#
# Open sockets of one user in one process; further ones are closed with 4409.
# CATMAID_NOTIFY_SOCKETS_PER_USER = 100
#
# [bytes] Size of a frame from a client; a larger one closes the socket.
# CATMAID_NOTIFY_FRAME_BYTES_MAX = 1024
#
# Frames per minute from one socket; more close it with 4429.
# CATMAID_NOTIFY_FRAMES_PER_MINUTE = 240
#
# [seconds] Time for a socket to answer a ping; without an answer it is closed with 4408.
# CATMAID_NOTIFY_PONG_SECONDS = 10
#
# [bytes] Bytes sent to a socket since its last pong; more close it with 4408.
# CATMAID_NOTIFY_UNACKED_BYTES_MAX = 2 * 1024 * 1024

# -- Topics
#
# Topics that one socket may follow; further ones are refused.
# CATMAID_NOTIFY_TOPICS_PER_SOCKET = 100
#
# [seconds] Interval at which the permissions of all followers are checked again.
# CATMAID_NOTIFY_TOPIC_CHECK_SECONDS = 60
#
# [seconds] Heartbeat interval of a process with sockets; after three missed ones its users count as offline.
# CATMAID_NOTIFY_PRESENCE_SECONDS = 15

# -- Content limits
#
# Characters of a message's title; at most 255, the width of the column.
# CATMAID_NOTIFY_TITLE_LENGTH_MAX = 200
#
# Characters of a message's text.
# CATMAID_NOTIFY_TEXT_LENGTH_MAX = 20_000
#
# [bytes] Size of an event's frame (payload and envelope) as JSON in UTF-8.
# CATMAID_NOTIFY_PAYLOAD_BYTES_MAX = 64 * 1024

# -- Delivery
#
# [seconds] Interval at which each ASGI process looks for unread messages that it has not pushed yet, and pushes them.
# CATMAID_NOTIFY_RECONCILE_SECONDS = 30
#
# [seconds] Time that a reconciling round looks back beyond the last one, for transactions that were still open then.
# CATMAID_NOTIFY_RECONCILE_OVERLAP_SECONDS = 60
#
# [seconds] Time that a group stays joined after its last socket has left, so that a reload costs no broker call.
# CATMAID_NOTIFY_GROUP_LINGER_SECONDS = 10
#
# [seconds] Time that a new socket waits for the broker before it is closed with 4503.
# CATMAID_NOTIFY_CONNECT_SECONDS = 8
#
# Pushes that may wait in one process; further ones are dropped, and reconciling finds their messages. For layers
# of other packages only: `RabbitmqChannelLayer` has `publish_queue` in its `CONFIG`.
# CATMAID_NOTIFY_PUBLISH_QUEUE_MAX = 10_000
#
# [seconds] Time that a push may wait before it is dropped. For layers of other packages only: `RabbitmqChannelLayer`
# has `publish_timeout` in its `CONFIG`.
# CATMAID_NOTIFY_PUBLISH_SECONDS = 10

# -- Tasks
#
# Progress updates of one task that are sent per second; the latest state wins.
# CATMAID_NOTIFY_PROGRESS_PER_SECOND = 4
#
# [seconds] Time without an update after which the progress of a task is no longer shown.
# CATMAID_NOTIFY_PROGRESS_KEEP_SECONDS = 3600
#
# [settings of catmaid_notify: end]

# ---------------------------------------------------------------------------------------------------------------------
# [catmaid_notify] Logging: one logger for operators, and one below it for refused sockets
# ---------------------------------------------------------------------------------------------------------------------

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "catmaid_notify": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # Refused origins, frames and subscriptions, one line each, for tools such as fail2ban.
        "catmaid_notify.security": {"level": "INFO"},
    },
}
