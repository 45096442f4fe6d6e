"""Tiles in CATMAID's layouts: the pixels, and what is said when there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from demo.volumes import TileError, Window
from demo.volumes.tiles import TileSource
from tests.demo import kit

LAYOUTS = [1, 4, 5]


@pytest.mark.parametrize("padded", [False, True], ids=["cut", "padded"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_read__whole_slices_of_all_levels(tmp_path: Path, layout: int, dtype: str, *, padded: bool) -> None:
    pixels = kit.volume(dtype)
    kit.write_tiles(tmp_path, pixels, layout=layout, padded=padded)
    source = kit.tile_source(tmp_path, layout=layout, dtype=dtype)
    for zoom, level in enumerate(kit.levels(pixels)):
        for z in range(kit.SHAPE[0]):
            plane = source.read(z, kit.whole(zoom), zoom)
            assert plane.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(plane, level[z])


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[TileSource, np.ndarray]:
    folder = tmp_path_factory.mktemp("tiled")
    pixels = kit.volume()
    kit.write_tiles(folder, pixels, layout=1)
    return kit.tile_source(folder, layout=1), pixels


@given(data=st.data(), zoom=st.integers(0, kit.ZOOM_LEVELS - 1), z=st.integers(0, kit.SHAPE[0] - 1))
@settings(max_examples=150, deadline=None)
def test_read__any_window(tiled: tuple[TileSource, np.ndarray], data: st.DataObject, zoom: int, z: int) -> None:
    source, pixels = tiled
    height, width = kit.SHAPE[1] >> zoom, kit.SHAPE[2] >> zoom
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    plane = source.read(z, Window(y0=y0, y1=y1, x0=x0, x1=x1), zoom)
    np.testing.assert_array_equal(plane, kit.levels(pixels)[zoom][z, y0:y1, x0:x1])


def test_read__opens_only_the_tiles_of_the_window(tmp_path: Path) -> None:
    pixels = kit.volume()
    kit.write_tiles(tmp_path, pixels, layout=1)
    for path in tmp_path.glob("2/*_0.png"):
        if path.name not in ("1_1_0.png", "1_2_0.png"):
            path.unlink()
    plane = kit.tile_source(tmp_path, layout=1).read(2, Window(y0=8, y1=16, x0=31, x1=33))
    np.testing.assert_array_equal(plane, pixels[2, 8:16, 31:33])


def test_slices__in_order(tmp_path: Path) -> None:
    pixels = kit.volume()
    kit.write_tiles(tmp_path, pixels, layout=4)
    window = Window(y0=7, y1=9, x0=15, x1=17)
    planes = list(kit.tile_source(tmp_path, layout=4).slices(1, 4, window))
    np.testing.assert_array_equal(np.stack(planes), pixels[1:4, 7:9, 15:17])


def test_read__jpeg_as_the_decoder_gives_it(tmp_path: Path) -> None:
    kit.write_tiles(tmp_path, kit.volume(), layout=1, extension="jpg")
    plane = kit.tile_source(tmp_path, layout=1, extension="jpg").read(0, kit.whole())
    for row, col in ((0, 0), (1, 2), (2, 0), (2, 2)):
        tile = np.asarray(Image.open(tmp_path / f"0/{row}_{col}_0.jpg"))
        part = plane[row * 8 : (row + 1) * 8, col * 16 : (col + 1) * 16]
        np.testing.assert_array_equal(part, tile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_read__grey_tiles_stored_as_colours(tmp_path: Path, mode: str) -> None:
    pixels = kit.volume()
    kit.write_tiles(tmp_path, pixels, layout=1)
    for path in tmp_path.glob("0/*.png"):
        with Image.open(path) as image:
            converted = image.convert(mode)
        converted.save(path)
    plane = kit.tile_source(tmp_path, layout=1).read(0, kit.whole())
    np.testing.assert_array_equal(plane, pixels[0])


def test_read__8_bit_tiles_of_a_16_bit_stack(tmp_path: Path) -> None:
    pixels = kit.volume("uint8")
    kit.write_tiles(tmp_path, pixels, layout=1)
    plane = kit.tile_source(tmp_path, layout=1, dtype="uint16").read(0, kit.whole())
    assert plane.dtype == np.uint16
    np.testing.assert_array_equal(plane, pixels[0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_read__missing_tile(tmp_path: Path, layout: int) -> None:
    kit.write_tiles(tmp_path, kit.volume(), layout=layout)
    source = kit.tile_source(tmp_path, layout=layout)
    source.path(z=3, row=2, col=1, zoom=0).unlink()
    with pytest.raises(TileError) as caught:
        source.read(3, kit.whole())
    assert (caught.value.z, caught.value.row, caught.value.col, caught.value.zoom) == (3, 2, 1, 0)
    assert str(caught.value) == "The image tile at z=3, row=2, column=1, zoom level 0 is missing."
    assert str(tmp_path) not in str(caught.value)


def spoil_not_an_image(path: Path) -> None:
    path.write_bytes(b"<html>502 Bad Gateway</html>")


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def spoil_too_small(path: Path) -> None:
    Image.new("L", (3, 3)).save(path)


def spoil_too_many_bits(path: Path) -> None:
    Image.fromarray(np.full((8, 16), 60_000, np.uint16)).save(path)


def spoil_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_not_an_image, "is damaged"),
        (spoil_empty, "is damaged"),
        (spoil_cut, "is damaged"),
        (spoil_too_many_bits, "is damaged"),
        (spoil_folder, "is damaged"),
        (spoil_too_small, "is too small: it has 3 × 3 pixels, of which at least 16 × 8 are needed"),
    ],
)
def test_read__spoilt_tile(tmp_path: Path, spoil: object, words: str) -> None:
    kit.write_tiles(tmp_path, kit.volume(), layout=5)
    source = kit.tile_source(tmp_path, layout=5)
    assert callable(spoil)
    spoil(source.path(z=0, row=1, col=0, zoom=0))
    with pytest.raises(TileError) as caught:
        source.read(0, kit.whole())
    assert str(caught.value) == f"The image tile at z=0, row=1, column=0, zoom level 0 {words}."
