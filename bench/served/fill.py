"""``python -m bench.served.fill <users>``: creates users 1, 2, 3 … with a session each, and prints the cookies."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import sys

import django


def main(count: int) -> list[str]:
    """Create the users and sessions, and return the cookies."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    model = get_user_model()
    users = [model(pk=pk, username=f"user{pk}", password="!") for pk in range(1, count + 1)]
    model._default_manager.bulk_create(users, batch_size=1000)
    store, until = SessionStore(), timezone.now() + dt.timedelta(days=1)
    rows = [
        Session(
            session_key=secrets.token_hex(16),
            expire_date=until,
            session_data=store.encode(
                {
                    SESSION_KEY: str(user.pk),
                    BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
                    HASH_SESSION_KEY: user.get_session_auth_hash(),
                }
            ),
        )
        for user in users
    ]
    Session.objects.bulk_create(rows, batch_size=1000)
    return [f"{settings.SESSION_COOKIE_NAME}={row.session_key}" for row in rows]


if __name__ == "__main__":
    django.setup()
    print(json.dumps(main(int(sys.argv[1]))))
