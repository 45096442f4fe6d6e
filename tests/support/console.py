"""``python -m tests.support.console <Celery application>``: runs code of the test in a Django process of the site.

It stands for a management command, a web process or a shell: a separate process with its own publisher that calls the
public functions. Each input line is ``{"code": …, "values": {…}}``, each output line ``{"result": …}`` or
``{"error": traceback}``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any


def execute(code: str, values: dict[str, Any]) -> Any:
    """Run the code with ``values`` as its variables, and return the value of ``result``."""
    scope = dict(values)
    exec(compile(code, "<the test>", "exec"), scope)
    return scope.get("result")


def main() -> None:
    import django

    # Only answers may go to the pipe that the test reads; all other output goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    django.setup()
    import_module(sys.argv[1])  # so that tasks go to the site's broker
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": execute(request["code"], request["values"])}
        except Exception:  # noqa: BLE001  the test decides what it means
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
