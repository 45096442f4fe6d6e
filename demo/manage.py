#!/usr/bin/env python3
"""Django's command line for the demo. It can be started in any folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    # Python puts this file's folder first, where demo/celery.py would hide the package of that name. Take the root.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    import demo.celery  # noqa: F401  the application by which commands send tasks

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:  # a wrong environment variable: the text says it all, without a traceback
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
