"""``manage.py demo_prepare``: what ``manage.py demo`` does before it starts the servers."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo.running.prepare import AlreadyRunning, lock, prepare
from demo.volumes import StackConfigError


class Command(BaseCommand):
    """For those who start the servers themselves."""

    help = "Migrate the database, make the sample volume, create the users."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        """See BaseCommand.handle()."""
        try:
            with lock():
                prepare(sys.stdout)
        except (AlreadyRunning, StackConfigError) as error:
            raise CommandError(str(error)) from error
