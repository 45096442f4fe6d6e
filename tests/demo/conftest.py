"""The demo's app within the settings of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.conf import settings
from django.test import override_settings

from tests.demo import kit

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

    from demo.volumes import Stack


@pytest.fixture
def crops_app(db: None, tmp_path: Path) -> Iterator[Path]:
    """demo.crops with its own URLs and a folder of the test's own, which is returned."""
    templates = Path(apps.get_app_config("crops").path) / "templates"
    changes = {
        "ROOT_URLCONF": "demo.urls",
        # Its own 404.html, which is behind that of the tests otherwise.
        "TEMPLATES": [{**settings.TEMPLATES[0], "DIRS": [templates]}],
        "LOGIN_URL": "login",
        "LOGIN_REDIRECT_URL": "index",
        "DEMO_VAR": tmp_path,
        "DEMO_STACKS": None,
        "DEMO_CROPS": tmp_path / "crops",
        "DEMO_CROP_BYTES_MAX": 100_000,
        "DEMO_CROP_SECONDS_MAX": 60,
        "DEMO_CROPS_AT_ONCE": 3,
        "DEMO_CROP_DAYS": 7,
        "DEMO_DISK_RESERVE_BYTES": 0,
        "AMQP_URL": "",
        "CELERY_TASK_ALWAYS_EAGER": False,
    }
    with override_settings(**changes):
        yield tmp_path


@pytest.fixture
def stacks(crops_app: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Stack]:
    """One stack in memory, ``tissue``, instead of the sample."""
    found = {"tissue": kit.stack(kit.ArraySource(kit.volume()))}
    for module in ("requests", "tasks", "views"):
        monkeypatch.setattr(f"demo.crops.{module}.stacks", lambda: found)
    return found


@pytest.fixture
def ann(crops_app: Path, django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ann", password="ann")


@pytest.fixture
def signed_in(client: Client, ann: User) -> Client:
    """Ann's browser."""
    client.force_login(ann)
    return client


@pytest.fixture
def queued(crops_app: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Tasks are not sent but put into this list."""
    from demo.crops.tasks import crop

    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(crop, "apply_async", lambda **options: sent.append(options))
    return sent


@pytest.fixture
def run_task(crops_app: Path) -> Callable[[Any], Any]:
    """Run the task of a crop here, as a worker would."""
    from catmaid_notify.tasks import USER_HEADER
    from demo.crops.tasks import crop

    def run(row: Any) -> Any:
        return crop.apply(
            args=[str(row.pk)],
            kwargs={"title": row.title},
            headers={USER_HEADER: row.owner_id},
            task_id=str(row.pk),
        )

    return run
