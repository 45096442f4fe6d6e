"""``manage.py notify_check``: diagnosis of the site, with hints how to fix each problem."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import set_script_prefix

from catmaid_notify import push
from catmaid_notify.doctor.address import Address
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, Severity
from catmaid_notify.doctor.plan import steps
from catmaid_notify.doctor.runner import walk
from catmaid_notify.management.users import user_named

NAME_WIDTH = 18


class Command(BaseCommand):
    """Command that tests the site from the inside out, and prints one line for each finding."""

    help = (
        "Test every part that a message passes (settings, database, broker, Celery and, with --url, proxy, ASGI server "
        "and static files), and say how to fix what fails. The exit code is 1 if a step failed."
    )
    requires_system_checks = ()  # they are the first step

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--url", help="address of the site in browsers: https://www.example.org/path/")
        parser.add_argument("--user", help="user to sign in during the check, who gets a message that is deleted again")
        parser.add_argument("--deep", action="store_true", help="take slow steps, too: hold a silent socket")
        parser.add_argument(
            "--celery", default="", help="module of the Celery application, if it is not <project>.celery"
        )
        parser.add_argument("--timeout", type=float, default=10, help="seconds for each answer (default: %(default)g)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(
        self,
        *,
        url: str | None,
        user: str | None,
        deep: bool,
        celery: str,
        timeout: float,
        verbosity: int,
        **options: Any,
    ) -> None:
        """Run all steps, and exit with code 1 if one failed."""
        if not 0 < timeout <= 600:
            raise CommandError(f"--timeout must be above 0 and at most 600, not {timeout:g}.")
        visit = Visit(address=_address(url), celery=celery, deep=deep, timeout=timeout, traceback=options["traceback"])
        if visit.address:
            set_script_prefix(visit.address.prefix)
        visit.user = user_named(user) if user else None
        with visit.closing, _silence(verbosity):
            found = self._report(visit, as_json=options["json"])
            push.flush()
        if any(finding.level is Severity.FAILED for finding in found):
            sys.exit(1)

    def _report(self, visit: Visit, *, as_json: bool) -> list[Finding]:
        found = []
        for finding in walk(visit, steps(visit)):
            found.append(finding)
            if not as_json:
                self._print(finding)
        failures = sum(finding.level is Severity.FAILED for finding in found)
        if as_json:
            self.stdout.write(json.dumps({"ok": not failures, "steps": [one.as_dict() for one in found]}, indent=2))
        else:
            self.stdout.write(
                f"{failures} of {len({one.step for one in found})} steps failed" if failures else "All is well"
            )
        return found

    def _print(self, finding: Finding) -> None:
        styles = {
            Severity.OK: "SUCCESS",
            Severity.WARNING: "WARNING",
            Severity.FAILED: "ERROR",
            Severity.SKIPPED: "NOTICE",
        }
        level = getattr(self.style, styles[finding.level])(f"{finding.level:<8}")
        self.stdout.write(f"{level} {finding.step:<{NAME_WIDTH}} {finding.text}")
        for hint in finding.hints:
            self.stdout.write(f"{'':9}{'':{NAME_WIDTH}} -> {hint}")


@contextmanager
def _silence(verbosity: int) -> Iterator[None]:
    """Disable logging unless ``--verbosity 2`` is given: the report holds the same errors, with remedies."""
    if verbosity < 2:
        logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _address(url: str | None) -> Address | None:
    try:
        return Address.parsed(url) if url else None
    except ValueError as error:
        raise CommandError(f"--url: {error}") from None
