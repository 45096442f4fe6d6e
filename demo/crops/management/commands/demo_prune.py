"""``manage.py demo_prune``: remove old crops."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.crops.expiry import fail_stuck, remove_expired


class Command(BaseCommand):
    """To be run by cron."""

    help = "Remove the files of crops that are older than DEMO_CROP_DAYS, or whose user was deleted; end lost crops."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand.add_arguments()."""
        parser.add_argument("--days", type=float, help="keep crops for so many days instead of DEMO_CROP_DAYS")
        parser.add_argument("--dry-run", action="store_true", help="only say how many files would be removed")

    def handle(self, *, days: float | None, dry_run: bool, **options: Any) -> None:
        """See BaseCommand.handle()."""
        if days is not None and not days >= 0:
            raise CommandError("--days must be 0 or more.")
        count = remove_expired(days=days, dry_run=dry_run)
        self.stdout.write(f"{count} files {'would be' if dry_run else 'were'} removed.")
        if not dry_run and (stuck := fail_stuck()):
            self.stdout.write(f"{stuck} crops were lost; their users were told.")
