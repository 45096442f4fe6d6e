"""``manage.py demo_prune``: removal of old crops."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.crops.expiry import fail_stuck, remove_expired


class Command(BaseCommand):
    """Command for a nightly cron job."""

    help = "Remove the files of crops that are older than DEMO_CROP_DAYS, or whose user was deleted; end lost crops."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options; see BaseCommand.add_arguments()."""
        parser.add_argument("--days", type=float, help="age in days of the files to remove (default: DEMO_CROP_DAYS)")
        parser.add_argument("--dry-run", action="store_true", help="only count the files")

    def handle(self, *, days: float | None, dry_run: bool, **options: Any) -> None:
        """Remove old files and fail lost crops; see BaseCommand.handle()."""
        if days is not None and not days >= 0:
            raise CommandError("--days must be 0 or more.")
        count = remove_expired(days=days, dry_run=dry_run)
        self.stdout.write(f"{count} files {'would be' if dry_run else 'were'} removed.")
        if not dry_run and (stuck := fail_stuck()):
            self.stdout.write(f"{stuck} crops were lost; their users were told.")
