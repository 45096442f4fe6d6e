"""The task: the file, the messages, and the words of every failure."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from celery.exceptions import SoftTimeLimitExceeded

from demo.volumes import Stack, StackConfigError, TileError, VolumeError
from tests.demo import kit
from tests.demo.test_views import make
from tests.tasks.test_request import request_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Run = Callable[[Any], Any]


def messages(user: User) -> list[Any]:
    from catmaid_notify.models import Message

    return list(Message.objects.filter(user=user).order_by("id"))


def files(folder: Path) -> list[Path]:
    return sorted((folder / "crops").glob("*"))


def test_crop__writes_the_file_and_tells_its_user(ann: User, stacks: dict[str, Stack], run_task: Run) -> None:
    row = make(ann)
    run_task(row)
    row.refresh_from_db()
    assert row.state == "done"
    assert row.file_bytes == row.path.stat().st_size
    np.testing.assert_array_equal(tifffile.imread(row.path), kit.volume()[1:5, 0:23, 3:20])
    (message,) = messages(ann)
    assert message.title == "Crop of Some tissue is ready"
    assert message.text == "17 × 23 × 4 pixels, 3 kB. The file is kept for 7 days."
    assert message.action == f"/crops/{row.pk}/download"
    assert message.level == "success"


def test_crop__shows_its_progress(
    ann: User, stacks: dict[str, Stack], run_task: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo.crops.tasks import crop

    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(crop, "progress", lambda *values: calls.append(values))
    run_task(make(ann))
    assert calls == [(done, 4, f"slice {done} of 4") for done in (1, 2, 3, 4)]


def os_error(number: int) -> OSError:
    return OSError(number, "what the system says", "/some/secret/path")


def within_volume(error: Exception) -> VolumeError:
    """Return what a source makes of an exception that was raised within its code."""
    wrapped = VolumeError("The volume can't be read at z=3, zoom level 0.")
    wrapped.__cause__ = error
    return wrapped


DISK_FULL = "The server's disk is full. Nothing was written; please try a smaller region, or again later."
TOO_SLOW = "The crop took longer than 1 min and was stopped. Please try a smaller one."
TILE_MISSING = (
    "The image tile at z=3, row=0, column=1, zoom level 0 is missing. "
    "Nothing was written; please tell the administrators of this server."
)
FAILURES = [
    (TileError("is missing", z=3, row=0, col=1, zoom=0), TILE_MISSING),
    (os_error(errno.ENOSPC), DISK_FULL),
    (os_error(errno.EDQUOT), DISK_FULL),
    (os_error(errno.EFBIG), DISK_FULL),
    (os_error(errno.EIO), "The server can't write the file; please tell its administrators."),
    (SoftTimeLimitExceeded(), TOO_SLOW),
    (within_volume(SoftTimeLimitExceeded()), TOO_SLOW),
    (StackConfigError("/etc/x"), "The server's list of image stacks is wrong; please tell its administrators."),
]


@pytest.mark.parametrize(("error", "words"), FAILURES)
def test_crop__failure_in_words(
    ann: User, stacks: dict[str, Stack], run_task: Run, crops_app: Path, error: Exception, words: str
) -> None:
    stacks["tissue"] = kit.stack(kit.ArraySource(kit.volume(), fails_at=3, error=error))
    row = make(ann)
    run_task(row)
    row.refresh_from_db()
    (message,) = messages(ann)
    assert (message.title, message.level, message.action) == ("Crop of Some tissue has failed", "error", "")
    assert message.text == row.error == words
    assert row.state == "failed"
    assert files(crops_app) == []


def test_crop__unforeseen_failure_tells_nothing_of_the_inside(
    ann: User, stacks: dict[str, Stack], run_task: Run, crops_app: Path
) -> None:
    error = RuntimeError("password in /some/secret/path")
    stacks["tissue"] = kit.stack(kit.ArraySource(kit.volume(), fails_at=3, error=error))
    row = make(ann)
    run_task(row)
    row.refresh_from_db()
    (message,) = messages(ann)
    assert row.state == "failed"
    assert row.error == "An unexpected error happened on the server; it was logged."
    for word in ("secret", "password", "Traceback", "RuntimeError"):
        assert word not in message.text
    assert files(crops_app) == []


def test_crop__stack_is_gone(ann: User, stacks: dict[str, Stack], run_task: Run) -> None:
    row = make(ann)
    stacks.clear()
    run_task(row)
    assert [message.text for message in messages(ann)] == ["There is no such image stack."]


def test_crop__server_is_being_stopped(
    ann: User, stacks: dict[str, Stack], run_task: Run, crops_app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo.crops.tasks import stopping

    monkeypatch.setattr(stopping, "is_set", lambda: True)
    run_task(make(ann))
    assert [message.text for message in messages(ann)] == [
        "The server is being stopped. Please ask for this crop again later."
    ]
    assert files(crops_app) == []


def test_crop__handed_out_again_while_it_ran(ann: User, stacks: dict[str, Stack], run_task: Run) -> None:
    row = make(ann, state="running")
    run_task(row)
    row.refresh_from_db()
    assert row.state == "done"
    assert row.path.exists()


def test_crop__handed_out_again_after_it_was_done(ann: User, stacks: dict[str, Stack], run_task: Run) -> None:
    """A worker may be killed when the file is there and the message isn't."""
    row = make(ann)
    run_task(row)
    before = row.path.stat().st_mtime_ns
    messages(ann)[0].delete()
    run_task(row)
    assert [message.title for message in messages(ann)] == ["Crop of Some tissue is ready"]
    assert row.path.stat().st_mtime_ns == before
    run_task(row)
    assert len(messages(ann)) == 1


def test_crop__handed_out_again_after_it_failed(ann: User, stacks: dict[str, Stack], run_task: Run) -> None:
    row = make(ann, state="failed", error="The disk is full.")
    run_task(row)
    assert [message.text for message in messages(ann)] == ["The disk is full."]


def test_crop__user_was_deleted_before(ann: User, stacks: dict[str, Stack], run_task: Run, crops_app: Path) -> None:
    row = make(ann)
    pk = ann.pk
    ann.delete()
    row.owner_id = pk
    assert run_task(row).failed()
    assert files(crops_app) == []


def test_crop__user_is_deleted_meanwhile(
    ann: User, stacks: dict[str, Stack], run_task: Run, crops_app: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Deleting(kit.ArraySource):
        def read(self, *args: Any, **kwargs: Any) -> Any:
            type(ann).objects.filter(pk=ann.pk).delete()
            return super().read(*args, **kwargs)

    stacks["tissue"] = kit.stack(Deleting(kit.volume()))
    row = make(ann)
    run_task(row)
    assert "A crop whose user was deleted is dropped" in caplog.text
    assert files(crops_app) == []


def test_fail_from_outside(ann: User, stacks: dict[str, Stack]) -> None:
    from demo.crops.tasks import fail_from_outside

    row = make(ann, state="running")
    for _ in range(2):
        fail_from_outside(str(row.pk), "It was cancelled.")
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "It was cancelled.")
    assert [message.text for message in messages(ann)] == ["It was cancelled."]


def test_fail_from_outside__is_no_news(ann: User, stacks: dict[str, Stack]) -> None:
    from demo.crops.tasks import fail_from_outside

    row = make(ann, state="done")
    fail_from_outside(str(row.pk), "It was cancelled.")
    fail_from_outside(str(uuid.uuid4()), "It was cancelled.")
    row.refresh_from_db()
    assert row.state == "done"
    assert messages(ann) == []


@pytest.mark.django_db(transaction=True)
def test_cancelled__is_told_once_in_words_of_the_demo(ann: User, stacks: dict[str, Stack]) -> None:
    from django.db import connection

    from catmaid_notify.tasks import reporter
    from demo.crops.tasks import crop

    def refuse(*_args: Any) -> None:
        raise AssertionError("The worker's main process waits for no database.")

    row = make(ann, state="running")
    request = request_of(ann, task=crop, task_id=str(row.pk))
    with connection.execute_wrapper(refuse):
        request._announce_revoked("terminated", terminated=True, signum="SIGTERM", expired=False)
    reporter.wait()
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "It was cancelled by the administrators of this server.")
    (message,) = messages(ann)
    assert (message.title, message.text) == ("Crop of Some tissue has failed", row.error)


def test_fail_from_outside__is_all_or_nothing(
    ann: User, stacks: dict[str, Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done again when the database is back, which must find the crop unfinished."""
    from django.db import OperationalError

    from demo.crops.tasks import crop, fail_from_outside

    def refuse(*_args: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    row = make(ann, state="running")
    with monkeypatch.context() as patch:
        patch.setattr(crop, "failed", refuse)
        with pytest.raises(OperationalError):
            fail_from_outside(str(row.pk), "It was cancelled.")
    row.refresh_from_db()
    assert row.state == "running"
    fail_from_outside(str(row.pk), "It was cancelled.")
    assert [message.text for message in messages(ann)] == ["It was cancelled."]
