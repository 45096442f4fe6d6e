"""Zarr volumes of both formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from demo.volumes import VolumeError, Window, zarrs
from demo.volumes.zarrs import ZarrSource
from tests.demo import kit


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_read__whole_slices_of_all_levels(tmp_path: Path, zarr_format: int, dtype: str) -> None:
    pixels = kit.volume(dtype)
    kit.write_zarr(tmp_path / "v.zarr", pixels, zarr_format=zarr_format)
    source = kit.zarr_source(tmp_path / "v.zarr")
    for zoom, level in enumerate(kit.levels(pixels)):
        for z in range(kit.SHAPE[0]):
            plane = source.read(z, kit.whole(zoom), zoom)
            assert plane.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(plane, level[z])


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(("z0", "z1"), [(0, 5), (1, 4), (3, 4), (4, 5)])
def test_slices__whatever_the_chunks_depth(tmp_path: Path, depth: int, z0: int, z1: int) -> None:
    pixels = kit.volume("uint16")
    kit.write_zarr(tmp_path / "v.zarr", pixels, depth=depth)
    window = Window(y0=6, y1=20, x0=3, x1=35)
    planes = list(kit.zarr_source(tmp_path / "v.zarr").slices(z0, z1, window))
    np.testing.assert_array_equal(np.stack(planes), pixels[z0:z1, 6:20, 3:35])


class Counting:
    """An array that notes which slices are asked for at once."""

    def __init__(self, array: zarr.Array) -> None:
        self.array, self.asked = array, list[tuple[int, int]]()
        self.dtype, self.chunks = array.dtype, array.chunks

    def __getitem__(self, key: tuple[slice, slice, slice]) -> object:
        self.asked.append((key[0].start, key[0].stop))
        return self.array[key]


def test_slices__reads_a_chunk_once(tmp_path: Path) -> None:
    kit.write_zarr(tmp_path / "v.zarr", kit.volume(), depth=3)
    array = Counting(kit.zarr_source(tmp_path / "v.zarr").arrays[0])
    list(ZarrSource(arrays=(array,)).slices(1, 5, kit.whole()))
    assert array.asked == [(1, 3), (3, 5)]


def test_slices__bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.write_zarr(tmp_path / "v.zarr", kit.volume(), depth=5)
    array = Counting(kit.zarr_source(tmp_path / "v.zarr").arrays[0])
    monkeypatch.setattr(zarrs, "SLAB_BYTES_MAX", 2 * kit.SHAPE[1] * kit.SHAPE[2] + 1)
    list(ZarrSource(arrays=(array,)).slices(0, 5, kit.whole()))
    assert array.asked == [(0, 2), (2, 4), (4, 5)]


def test_read__big_endian_store(tmp_path: Path) -> None:
    pixels = kit.volume("uint16")
    array = zarr.create_array(
        str(tmp_path / "v.zarr"), shape=pixels.shape, chunks=(2, 8, 16), dtype=">u2", zarr_format=2
    )
    array[:] = pixels
    plane = ZarrSource.open(tmp_path / "v.zarr", ("",)).read(2, kit.whole())
    assert plane.dtype.isnative
    np.testing.assert_array_equal(plane, pixels[2])


def test_read__damaged_chunk(tmp_path: Path) -> None:
    kit.write_zarr(tmp_path / "v.zarr", kit.volume(), zarr_format=2)
    (tmp_path / "v.zarr/s0/1.0.0").write_bytes(b"no chunk")
    source = kit.zarr_source(tmp_path / "v.zarr")
    with pytest.raises(VolumeError, match=r"^The volume can't be read at z=3, zoom level 0\.$"):
        source.read(3, kit.whole())
    with pytest.raises(VolumeError, match=r"^The volume can't be read at z=2 to 3, zoom level 0\.$"):
        list(source.slices(0, 5, kit.whole()))


def test_open__no_such_store(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="does not exist"):
        ZarrSource.open(tmp_path / "none.zarr", ("",))
