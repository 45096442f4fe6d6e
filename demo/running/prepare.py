"""Preparation of the site. All of it can be repeated at any time."""

from __future__ import annotations

import fcntl
import logging
import sys
from typing import IO, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command

from demo.conf import conf
from demo.crops.expiry import fail_lost, fail_stuck, remove_expired
from demo.crops.stacks import stacks
from demo.tiff_export import remove_leftovers
from demo.volumes.sample import ensure_sample

USERS: Final = ("demo", "guest")
"""User names, which are also the passwords."""
GROUP: Final = "tracers"
"""Group of all these users."""


class AlreadyRunning(Exception):
    """Another demo uses the same folder."""


def lock() -> IO[str]:
    """Lock the folder of the demo for this process, until the returned file is closed.

    Raises:
        AlreadyRunning: another process holds the lock.
    """
    file: IO[str] = (conf.VAR / "lock").open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise AlreadyRunning(
            f"Another demo is running in {conf.VAR}. Stop it, or set DEMO_VAR to another folder."
        ) from error
    return file


def prepare(out: IO[str]) -> None:
    """Migrate the database, create the sample and the users, and clean up after earlier runs.

    Raises:
        StackConfigError: the description of the stacks is wrong.
        OSError: the sample can't be written.
    """
    # Don't log the SQL of the first connection, which only creates SQLite's file in WAL mode.
    logging.getLogger("django.db.backends").setLevel(logging.WARNING)
    call_command("migrate", verbosity=0, interactive=False)
    if conf.STACKS is None:
        _make_sample(out)
    stacks()
    for name in USERS:
        _make_user(name)
    conf.CROPS.mkdir(parents=True, exist_ok=True)
    remove_leftovers(conf.CROPS)
    remove_expired()
    fail_stuck()
    if not settings.AMQP_URL:
        fail_lost()  # their tasks were in the memory of the process that has ended


def _make_sample(out: IO[str]) -> None:
    shown = -1

    def progress(done: int, total: int) -> None:
        nonlocal shown
        percent = done * 100 // total
        if out.isatty():
            print(f"\rMaking the sample volume … {percent} %", end="" if done < total else "\n", file=out, flush=True)
        elif percent // 25 != shown:
            shown = percent // 25
            print(f"Making the sample volume … {percent} %", file=out, flush=True)

    ensure_sample(conf.VAR / "sample", progress=progress)


def _make_user(name: str) -> None:
    user, created = get_user_model().objects.get_or_create(username=name)
    if created:
        user.set_password(name)
        user.save(update_fields=["password"])
    user.groups.add(Group.objects.get_or_create(name=GROUP)[0])


def warn(text: str) -> None:
    """Print a warning for the person who starts the demo."""
    print(f"Warning: {text}", file=sys.stderr, flush=True)
