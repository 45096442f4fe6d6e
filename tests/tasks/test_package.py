"""The package `catmaid_notify.tasks`: Celery is imported for those who ask for it, and for Celery itself."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.process import PYTHON, ROOT, environment

SET_UP = "import sys, django; django.setup()\n"
REGISTERED = "assert 'catmaid_notify.check' in app.tasks"


def run(code: str) -> None:
    env = {**environment(), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([PYTHON, "-c", SET_UP + code], cwd=ROOT, env=env, check=True)


@pytest.mark.parametrize(
    "code",
    [
        "import catmaid_notify.tasks; assert 'celery' not in sys.modules",
        "import catmaid_notify.tasks.probe; assert 'celery' not in sys.modules",
        "from catmaid_notify.tasks import UserTask; assert 'celery' in sys.modules",
        f"from tests.celery_app import app; app.autodiscover_tasks(force=True); {REGISTERED}",
        f"import catmaid_notify.tasks, tests.tasks; from tests.celery_app import app; app.finalize(); {REGISTERED}",
    ],
    ids=["alone", "part_of_it", "asked_for", "autodiscovery", "imported_before"],
)
def test_import(code: str) -> None:
    run(code)


def test_import__unknown_name() -> None:
    with pytest.raises(ImportError, match="no_such_name"):
        exec("from catmaid_notify.tasks import no_such_name", {})
