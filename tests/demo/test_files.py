"""Files that appear whole or not at all, also when their process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo.tiff_export import new_file, remove_leftovers

ROOT = Path(__file__).resolve().parent.parent.parent

WRITER = """
import sys
from pathlib import Path
from demo.tiff_export import new_file
from demo.tiff_export.interrupt import sigterm_raises

with sigterm_raises(), new_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(target: Path) -> subprocess.Popen[bytes]:
    """Start a process that is in the middle of writing a file, until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


def end(process: subprocess.Popen[bytes], number: int | None = None) -> int:
    if number is not None:
        process.send_signal(number)
        process.wait(10)
    process.communicate(timeout=10)
    return process.returncode


def test_new_file__appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "crop.tif"
    with new_file(target) as file:
        file.write(b"pixels")
        assert not target.exists()
    assert target.read_bytes() == b"pixels"
    assert list(tmp_path.iterdir()) == [target]


def test_new_file__is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, bool]] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        calls.append((Path(f"/proc/self/fd/{handle}").readlink().name, (tmp_path / "crop.tif").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with new_file(tmp_path / "crop.tif") as file:
        file.write(b"pixels")
    assert calls[0][0].startswith("crop.tif.")
    assert calls[0][1] is False
    assert calls[1] == (tmp_path.name, True)


def test_new_file__no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "none/crop.tif"):
        pass


def test_new_file__sigterm_removes_it(tmp_path: Path) -> None:
    process = writer(tmp_path / "crop.tif")
    assert len(list(tmp_path.iterdir())) == 1
    assert end(process, signal.SIGTERM) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_remove_leftovers__of_a_killed_process(tmp_path: Path) -> None:
    other = tmp_path / "done.tif"
    other.write_bytes(b"pixels")
    process = writer(tmp_path / "crop.tif")
    assert end(process, signal.SIGKILL) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    assert remove_leftovers(tmp_path) == 1
    assert list(tmp_path.iterdir()) == [other]


def test_remove_leftovers__leaves_what_is_being_written(tmp_path: Path) -> None:
    process = writer(tmp_path / "crop.tif")
    assert remove_leftovers(tmp_path) == 0
    assert end(process) == 0
    assert (tmp_path / "crop.tif").read_bytes() == b"half"


def test_new_file__made_again_when_it_was_taken_for_a_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may look between the creation of the file and its lock."""
    import fcntl

    flock = fcntl.flock
    swept: list[int] = []

    def sweep_first(file: object, how: int) -> None:
        if not swept:
            for path in tmp_path.glob("*.part"):
                path.unlink()
                swept.append(1)
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    with new_file(tmp_path / "crop.tif") as file:
        file.write(b"pixels")
    assert swept == [1]
    assert (tmp_path / "crop.tif").read_bytes() == b"pixels"


def test_remove_leftovers__no_folder(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "none") == 0
