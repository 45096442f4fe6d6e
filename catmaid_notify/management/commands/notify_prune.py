"""``manage.py notify_prune``: deletion of old messages that were read, and of expired last values of topics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from catmaid_notify.models import Message, TopicValue

DAYS: Final = 90
BATCH: Final = 5000
"""Messages deleted by one statement, so that no other transaction waits long for a lock."""


class Command(BaseCommand):
    """Command that deletes old read messages. Unread messages stay, whatever their age."""

    help = "Delete messages that were read and are older than --days, and expired last values of topics."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--days", type=float, default=DAYS, help="age in days (default: %(default)s)")
        parser.add_argument("--dry-run", action="store_true", help="only count the messages")

    def handle(self, *, days: float, dry_run: bool, **_options: Any) -> None:
        """Delete the messages, and print their number."""
        if not 0 <= days <= 36500:
            raise CommandError(f"--days must be 0 to 36500, not {days:g}.")
        old = Message.objects.filter(read=True, time__lt=timezone.now() - timedelta(days=days))
        count = old.count() if dry_run else _delete(old)
        if not dry_run:
            TopicValue.objects.filter(expires__lt=timezone.now()).delete()
        self.stdout.write(f"{count} messages {'would be ' if dry_run else ''}deleted")


def _delete(old: Any) -> int:
    deleted = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += Message.objects.filter(pk__in=batch).delete()[0]
    return deleted
