"""``manage.py demo_prepare``: the preparation of ``manage.py demo`` alone."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.running.prepare import AlreadyRunning, lock, prepare
from demo.volumes import StackConfigError


class Command(BaseCommand):
    """Command for people who start the servers themselves."""

    help = "Migrate the database, make the sample volume, create the users."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        """Prepare the site; see BaseCommand.handle()."""
        try:
            with lock():
                prepare(sys.stdout)
        except (AlreadyRunning, StackConfigError) as error:
            raise CommandError(str(error)) from error
