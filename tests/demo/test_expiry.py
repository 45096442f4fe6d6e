"""Old crops go; crops whose task was lost are told to their users."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.demo.test_tasks import messages
from tests.demo.test_views import finished, make

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def aged(owner: User, days: float) -> Any:
    row = finished(owner)
    row.finished = timezone.now() - timedelta(days=days)
    row.save()
    return row


def prune(*options: str) -> str:
    out = io.StringIO()
    call_command("demo_prune", *options, stdout=out)
    return out.getvalue().strip()


def test_demo_prune__removes_what_is_old(ann: User, settings: Any) -> None:
    old, new = aged(ann, 7.1), aged(ann, 6.9)
    assert prune() == "1 files were removed."
    assert not old.path.exists()
    assert new.path.exists()
    old.refresh_from_db()
    assert (old.state, old.file_bytes) == ("expired", 0)
    assert prune() == "0 files were removed."


def test_demo_prune__days(ann: User) -> None:
    aged(ann, 1.5)
    assert prune("--days", "2") == "0 files were removed."
    assert prune("--days", "1") == "1 files were removed."


@pytest.mark.parametrize("days", ["-1", "nan"])
def test_demo_prune__bad_days(ann: User, days: str) -> None:
    with pytest.raises(CommandError, match="must be 0 or more"):
        prune("--days", days)


def test_demo_prune__dry_run(ann: User) -> None:
    old = aged(ann, 8)
    assert prune("--dry-run") == "1 files would be removed."
    assert old.path.exists()


def test_demo_prune__files_of_deleted_users_only(ann: User, crops_app: Path) -> None:
    row = finished(ann)
    path = row.path
    foreign = path.with_name("notes.tif")
    foreign.write_bytes(b"")
    assert prune() == "0 files were removed."
    ann.delete()
    assert prune() == "1 files were removed."
    assert not path.exists()
    assert foreign.exists()


def test_demo_prune__unfinished_files(ann: User, crops_app: Path) -> None:
    finished(ann)
    (crops_app / "crops/x.tif.abc.part").write_bytes(b"half")
    prune()
    assert not list((crops_app / "crops").glob("*.part"))


def test_demo_prune__crops_that_wait_for_more_than_a_day(ann: User) -> None:
    stuck, waiting = make(ann), make(ann, state="running")
    stuck.created = timezone.now() - timedelta(hours=25)
    stuck.save()
    assert prune("--dry-run") == "0 files would be removed."
    assert prune().splitlines() == ["0 files were removed.", "1 crops were lost; their users were told."]
    assert [message.text for message in messages(ann)] == ["The server has lost it. Please ask for this crop again."]
    waiting.refresh_from_db()
    assert waiting.state == "running"


def test_fail_lost(ann: User) -> None:
    from catmaid_notify.models import TaskProgress
    from demo.crops.expiry import fail_lost

    lost = [make(ann, state="queued"), make(ann, state="running")]
    make(ann, state="done")
    TaskProgress.objects.create(task_id=str(lost[1].pk), user=ann, title="Crop", updated=timezone.now())
    assert fail_lost() == 2
    assert [message.text for message in messages(ann)] == [
        "The server was restarted. Please ask for this crop again."
    ] * 2
    for row in lost:
        row.refresh_from_db()
        assert row.state == "failed"
    assert not TaskProgress.objects.exists()  # no bar that never moves
    assert fail_lost() == 0
