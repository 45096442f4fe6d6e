"""``manage.py notify_send``: a message to a user, from the shell."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catmaid_notify import api
from catmaid_notify.exceptions import InvalidMessage
from catmaid_notify.management.users import user_named


class Command(BaseCommand):
    """Command that stores and pushes one message."""

    help = "Put a message into a user's inbox and push it to the user's pages."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the parts of a message."""
        parser.add_argument("user", help="sign-in name of the user")
        parser.add_argument("title")
        parser.add_argument("--text", default="")
        parser.add_argument("--action", default="", help="link: http(s), or a path on this site")
        parser.add_argument("--level", default=str(api.Level.INFO), choices=api.Level.values)

    def handle(self, *, user: str, title: str, text: str, action: str, level: str, **_options: Any) -> None:
        """Store and push the message."""
        try:
            message = api.notify_user(user_named(user), title, text=text, action=action, level=level)
        except InvalidMessage as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Message {message.pk} for {user}")
