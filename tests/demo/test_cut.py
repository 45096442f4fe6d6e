"""The TIFF file: its pixels, its physical size, and that there is none after a failure."""

from __future__ import annotations

import errno
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from demo.tiff_export import Region, write_crop
from demo.volumes import Stack, TileError, VolumeError
from tests.demo import kit

Z, Y, X = (1, 5), (5, 20), (10, 37)
"""Across borders of tiles and chunks, and up to the cut tiles at the edge."""


def from_tiles(layout: int, *, padded: bool) -> Callable[[Path, np.ndarray, str], Any]:
    def write(folder: Path, pixels: np.ndarray, dtype: str) -> Any:
        kit.write_tiles(folder, pixels, layout=layout, padded=padded)
        return kit.tile_source(folder, layout=layout, dtype=dtype)

    return write


def from_zarr(zarr_format: int) -> Callable[[Path, np.ndarray, str], Any]:
    def write(folder: Path, pixels: np.ndarray, dtype: str) -> Any:
        kit.write_zarr(folder / "v.zarr", pixels, zarr_format=zarr_format)
        return kit.zarr_source(folder / "v.zarr")

    return write


SOURCES = {
    "type 1": from_tiles(1, padded=False),
    "type 1 padded": from_tiles(1, padded=True),
    "type 4": from_tiles(4, padded=False),
    "type 4 padded": from_tiles(4, padded=True),
    "type 5": from_tiles(5, padded=False),
    "type 5 padded": from_tiles(5, padded=True),
    "zarr 2": from_zarr(2),
    "zarr 3": from_zarr(3),
}


def region_of(stack: Stack, *, zoom: int = 0, z: tuple[int, int] = Z) -> Region:
    return Region(stack=stack, x=X, y=Y, z=z, zoom=zoom)


@pytest.mark.parametrize("zoom", [0, 1])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", SOURCES)
def test_write_crop__pixels_are_those_of_the_region(tmp_path: Path, name: str, dtype: str, zoom: int) -> None:
    pixels = kit.volume(dtype)
    source = SOURCES[name](tmp_path / "stack", pixels, dtype)
    region = region_of(kit.stack(source, dtype=dtype), zoom=zoom)
    size = write_crop(region, tmp_path / "crop.tif")
    assert size == (tmp_path / "crop.tif").stat().st_size
    found = tifffile.imread(tmp_path / "crop.tif")
    expected = {0: pixels[1:5, 5:20, 10:37], 1: kit.levels(pixels)[1][1:5, 2:10, 5:18]}[zoom]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, expected)


@pytest.fixture
def memory_stack() -> Stack:
    return kit.stack(kit.ArraySource(kit.volume()))


def fraction(page: Any, tag: str) -> float:
    numerator, denominator = page.tags[tag].value
    return float(numerator / denominator)


@pytest.mark.parametrize(("zoom", "x_um", "y_um"), [(0, 0.004, 0.005), (2, 0.016, 0.020)])
def test_write_crop__has_its_physical_size(
    tmp_path: Path, memory_stack: Stack, zoom: int, x_um: float, y_um: float
) -> None:
    write_crop(region_of(memory_stack, zoom=zoom), tmp_path / "crop.tif")
    with tifffile.TiffFile(tmp_path / "crop.tif") as tiff:
        assert tiff.is_imagej
        assert len(tiff.pages) == 4
        assert tiff.series[0].axes == "ZYX"
        metadata = tiff.imagej_metadata
        assert metadata is not None
        assert metadata["unit"] == "um"
        assert metadata["spacing"] == pytest.approx(0.035)
        assert metadata["slices"] == 4
        for page in (tiff.pages[0], tiff.pages[3]):
            assert fraction(page, "XResolution") == pytest.approx(1 / x_um, rel=1e-6)
            assert fraction(page, "YResolution") == pytest.approx(1 / y_um, rel=1e-6)


def test_write_crop__says_where_it_was_in_the_stack(tmp_path: Path, memory_stack: Stack) -> None:
    write_crop(region_of(memory_stack, zoom=1), tmp_path / "crop.tif")
    with tifffile.TiffFile(tmp_path / "crop.tif") as tiff:
        metadata = tiff.imagej_metadata
    assert metadata is not None
    assert (metadata["xorigin"], metadata["yorigin"], metadata["zorigin"]) == (-5, -2, -1)
    assert metadata["Labels"] == ["z=1", "z=2", "z=3", "z=4"]
    assert "Some tissue" in metadata["Info"]


def test_write_crop__one_slice(tmp_path: Path, memory_stack: Stack) -> None:
    write_crop(region_of(memory_stack, z=(2, 3)), tmp_path / "crop.tif")
    with tifffile.TiffFile(tmp_path / "crop.tif") as tiff:
        assert tiff.is_imagej
        np.testing.assert_array_equal(tiff.asarray(), kit.volume()[2, 5:20, 10:37])


def test_write_crop__reports_each_slice(tmp_path: Path, memory_stack: Stack) -> None:
    reports: list[tuple[int, int]] = []
    write_crop(
        region_of(memory_stack), tmp_path / "crop.tif", progress=lambda done, total: reports.append((done, total))
    )
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_write_crop__holds_few_slices_in_memory(tmp_path: Path) -> None:
    shape = (100, 200, 300)
    stack = kit.stack(kit.ArraySource(kit.volume(shape=shape)), shape=shape)
    plane = 200 * 300
    tracemalloc.start()
    try:
        write_crop(Region(stack=stack, x=(0, 300), y=(0, 200), z=(0, 100)), tmp_path / "crop.tif")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * plane


# Failures: no file, and none of the unfinished ones either


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the kernel refuse to write more than ``size`` bytes into a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [0, 500, 60_000, 400_000, 600_500])
def test_write_crop__no_more_room(tmp_path: Path, limit: int) -> None:
    shape = (10, 200, 300)
    stack = kit.stack(kit.ArraySource(kit.volume(shape=shape)), shape=shape)
    region = Region(stack=stack, x=(0, 300), y=(0, 200), z=(0, 10))
    with file_size_limit(limit), pytest.raises(OSError, match=r".") as caught:
        write_crop(region, tmp_path / "crop.tif")
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_write_crop__missing_tile(tmp_path: Path) -> None:
    kit.write_tiles(tmp_path / "stack", kit.volume(), layout=1)
    source = kit.tile_source(tmp_path / "stack", layout=1)
    source.path(z=3, row=1, col=1, zoom=0).unlink()
    (tmp_path / "crops").mkdir()
    reports: list[int] = []
    with pytest.raises(TileError, match="z=3, row=1, column=1"):
        write_crop(
            region_of(kit.stack(source)), tmp_path / "crops/crop.tif", progress=lambda done, _: reports.append(done)
        )
    assert reports == [1, 2]
    assert list((tmp_path / "crops").iterdir()) == []


@pytest.mark.parametrize("error", [VolumeError("damaged"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_write_crop__source_fails(tmp_path: Path, error: Any) -> None:
    stack = kit.stack(kit.ArraySource(kit.volume(), fails_at=3, error=error))
    with pytest.raises(type(error)):
        write_crop(region_of(stack), tmp_path / "crop.tif")
    assert list(tmp_path.iterdir()) == []


def test_write_crop__progress_stops_it(tmp_path: Path, memory_stack: Stack) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_crop(region_of(memory_stack), tmp_path / "crop.tif", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_write_crop__keeps_the_file_that_is_there_when_it_fails(tmp_path: Path) -> None:
    (tmp_path / "crop.tif").write_bytes(b"an earlier one")
    stack = kit.stack(kit.ArraySource(kit.volume(), fails_at=2, error=VolumeError("damaged")))
    with pytest.raises(VolumeError):
        write_crop(region_of(stack), tmp_path / "crop.tif")
    assert (tmp_path / "crop.tif").read_bytes() == b"an earlier one"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("shape", [(4, 15, 26), (4, 14, 27)])
def test_write_crop__slices_of_another_size(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    class Liar(kit.ArraySource):
        def slices(self, *args: Any, **kwargs: Any) -> Iterator[np.ndarray]:
            return iter(kit.volume(shape=shape))

    with pytest.raises(VolumeError, match="z=1 isn't what the stack's description says"):
        write_crop(region_of(kit.stack(Liar(kit.volume()))), tmp_path / "crop.tif")
    assert list(tmp_path.iterdir()) == []
