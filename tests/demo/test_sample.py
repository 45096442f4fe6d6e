"""The sample volume."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.volumes import Window, load_stacks, sample

SMALL = (4, 300, 330)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SHAPE", SMALL)


def test_sample__is_large_enough() -> None:
    assert all(size >= least for size, least in zip(sample.SHAPE, (64, 512, 512), strict=True))


def test_ensure_sample__two_stacks_with_the_same_tissue(tmp_path: Path, small: None) -> None:
    reports: list[tuple[int, int]] = []
    description = sample.ensure_sample(tmp_path / "sample", progress=lambda done, total: reports.append((done, total)))
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]
    stacks = load_stacks(description)
    assert list(stacks) == ["sample", "sample-zarr"]
    tissue = list(sample.tissue(SMALL, sample.SEED))
    for z, plane in enumerate(tissue):
        expected = plane
        for zoom in range(sample.ZOOM_LEVELS):
            height, width = SMALL[1] >> zoom, SMALL[2] >> zoom
            window = Window(y0=0, y1=height, x0=0, x1=width)
            np.testing.assert_array_equal(stacks["sample-zarr"].source.read(z, window, zoom), expected)
            lossy = stacks["sample"].source.read(z, window, zoom).astype(int)
            assert np.abs(lossy - expected).mean() < 6
            expected = sample.halved(expected)


def test_ensure_sample__once(tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sample.ensure_sample(tmp_path / "sample")

    def not_again(*_arguments: Any) -> Iterator[Any]:
        raise AssertionError("made again")

    monkeypatch.setattr(sample, "tissue", not_again)
    assert sample.ensure_sample(tmp_path / "sample") == first


def test_ensure_sample__whole_or_not_at_all(tmp_path: Path, small: None) -> None:
    def full(done: int, total: int) -> None:
        if done == 3:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        sample.ensure_sample(tmp_path / "sample", progress=full)
    assert list(tmp_path.iterdir()) == []
    assert sample.ensure_sample(tmp_path / "sample").is_file()


def test_ensure_sample__removes_what_a_killed_process_left(tmp_path: Path, small: None) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getppid()):
        (tmp_path / f"sample.{pid}.part/tiles").mkdir(parents=True)
    sample.ensure_sample(tmp_path / "sample")
    assert {path.name for path in tmp_path.iterdir()} == {"sample", f"sample.{os.getppid()}.part"}


def test_ensure_sample__another_process_was_faster(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tmp_path / "sample/stacks.json"

    def meanwhile(done: int, total: int) -> None:
        others.parent.mkdir(exist_ok=True)
        others.write_text("{}")

    assert sample.ensure_sample(tmp_path / "sample", progress=meanwhile) == others
    assert others.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [others.parent]


def test_tissue__is_the_same_each_time_and_differs_from_slice_to_slice() -> None:
    once, again = (list(sample.tissue((3, 120, 140), 7)) for _ in range(2))
    np.testing.assert_array_equal(np.stack(once), np.stack(again))
    assert not np.array_equal(once[0], once[1])
    assert not np.array_equal(once[0], next(sample.tissue((3, 120, 140), 8)))


def test_tissue__has_structure() -> None:
    """Membranes are dark and thin, and neighbouring slices are alike."""
    first, second = list(sample.tissue((2, 256, 256), 3))
    for plane in (first, second):
        assert plane.std() > 25
        dark = (plane < 100).mean()
        assert 0.03 < dark < 0.35
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.5


@pytest.mark.parametrize(
    ("plane", "expected"),
    [
        ([[0, 4], [8, 12]], [[6]]),
        ([[255, 255, 9], [255, 255, 9], [9, 9, 9]], [[255]]),
    ],
)
def test_halved__means_of_four(plane: list[list[int]], expected: list[list[int]]) -> None:
    found = sample.halved(np.array(plane, np.uint8))
    assert found.dtype == np.uint8
    assert found.tolist() == expected
