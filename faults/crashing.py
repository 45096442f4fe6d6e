"""``python -m faults.crashing <journal folder> <number> <user>``: commits a message, and dies before the push."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import django


def main(arguments: list[str]) -> None:
    django.setup()

    from catmaid_notify import api, push
    from faults.journal import Journal

    journal, number, user = Journal(Path(arguments[0]), "crash"), arguments[1], int(arguments[2])

    def crash() -> NoReturn:
        journal.write("acked", number, user)  # the commit is done at this point
        os._exit(9)

    push.transport = crash
    journal.write("attempt", number, user)
    api.notify_user(user, number)


if __name__ == "__main__":
    main(sys.argv[1:])
