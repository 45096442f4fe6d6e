"""The description of the stacks: what it may say, and how it is told what is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from demo.volumes import StackConfigError, load_stacks
from demo.volumes.tiles import TileSource
from tests.demo import kit

TILES: dict[str, Any] = {
    "name": "tiled",
    "title": "Some tissue",
    "shape": list(kit.SHAPE),
    "resolution_nm": [4, 4.5, 35],
    "dtype": "uint8",
    "source": {
        "type": "tiles",
        "path": "tiles",
        "tile_source_type": 4,
        "extension": "png",
        "tile_shape": list(kit.TILE),
        "zoom_levels": 3,
    },
}
ZARR: dict[str, Any] = {
    "name": "zarred",
    "title": "Some tissue",
    "resolution_nm": [4, 4, 35],
    "source": {"type": "zarr", "path": "v.zarr", "levels": ["s0", "s1", "s2"]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kit.write_tiles(tmp_path / "tiles", kit.volume(), layout=4)
    kit.write_zarr(tmp_path / "v.zarr", kit.volume("uint16"))
    return tmp_path


def write(folder: Path, *stacks: Any) -> Path:
    file = folder / "stacks.json"
    file.write_text(json.dumps({"stacks": stacks}))
    return file


def changed(entry: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the entry at ``path`` changed; ``...`` leaves it out."""
    entry = copy.deepcopy(entry)
    inner = entry
    *parents, key = path.split("/")
    for parent in parents:
        inner = inner[parent]
    if value is ...:
        del inner[key]
    else:
        inner[key] = value
    return entry


def test_load_stacks__tiles_and_zarr(folder: Path) -> None:
    stacks = load_stacks(write(folder, TILES, ZARR))
    assert list(stacks) == ["tiled", "zarred"]
    tiled, zarred = stacks.values()
    assert tiled.shape == zarred.shape == kit.SHAPE
    assert tiled.resolution_nm == (4.0, 4.5, 35.0)
    assert (tiled.dtype, zarred.dtype) == (np.dtype("uint8"), np.dtype("uint16"))
    assert tiled.zoom_levels == zarred.zoom_levels == 3
    assert (tiled.contrast, zarred.contrast) == ((0, 255), (0, 65535))
    for zoom in range(3):
        np.testing.assert_array_equal(tiled.source.read(4, kit.whole(zoom), zoom), kit.levels(kit.volume())[zoom][4])
        np.testing.assert_array_equal(
            zarred.source.read(4, kit.whole(zoom), zoom), kit.levels(kit.volume("uint16"))[zoom][4]
        )


def test_load_stacks__zarr_array_at_the_root(folder: Path) -> None:
    stacks = load_stacks(write(folder, changed(changed(ZARR, "source/path", "v.zarr/s1"), "source/levels", ...)))
    assert stacks["zarred"].shape == (5, 11, 18)
    assert stacks["zarred"].zoom_levels == 1


def test_load_stacks__absolute_path_and_contrast(folder: Path) -> None:
    entry = changed(changed(TILES, "source/path", str(folder / "tiles")), "contrast", [20, 200])
    stack = load_stacks(write(folder, entry))["tiled"]
    assert isinstance(stack.source, TileSource)
    assert stack.source.folder == folder / "tiles"
    assert stack.contrast == (20, 200)


WRONG = [
    (TILES, "name", ..., '"name" must be a text'),
    (TILES, "name", "a b", '"name" must be letters, digits'),
    (TILES, "name", "../x", '"name" must be letters, digits'),
    (TILES, "name", "x" * 65, '"name" must be letters, digits'),
    (TILES, "name", "x\n", '"name" must be letters, digits'),
    (TILES, "title", "", '"title" must be a text'),
    (TILES, "title", 3, '"title" must be a text'),
    (TILES, "shape", ..., '"shape" must be a list of 3 numbers; found nothing'),
    (TILES, "shape", [5, 23], '"shape" must be a list of 3 numbers; found [5, 23]'),
    (TILES, "shape", [5, 23, 0], '"shape" must be 3 whole numbers, 1 or more'),
    (TILES, "shape", [5, 23, 37.0], '"shape" must be 3 whole numbers, 1 or more'),
    (TILES, "shape", [5, 23, True], '"shape" must be 3 whole numbers, 1 or more'),
    (TILES, "shape", [5, 23, 2**31], '"shape" must be 3 whole numbers, 1 or more'),
    (TILES, "resolution_nm", [4, 4], '"resolution_nm" must be a list of 3 numbers'),
    (TILES, "resolution_nm", [4, 4, 0], '"resolution_nm" must be 3 numbers above 0'),
    (TILES, "resolution_nm", [4, 4, -1], '"resolution_nm" must be 3 numbers above 0'),
    (TILES, "resolution_nm", [4, 4, float("inf")], '"resolution_nm" must be 3 numbers above 0'),
    (TILES, "resolution_nm", [4, 4, "35"], '"resolution_nm" must be 3 numbers above 0'),
    (TILES, "dtype", "float32", '"dtype" must be one of uint8, uint16'),
    (TILES, "dtype", ["uint8"], '"dtype" must be one of uint8, uint16'),
    (TILES, "contrast", [10, 10], '"contrast" must be two numbers, the smaller one first'),
    (TILES, "source", ..., "source: expected an object"),
    (TILES, "source/type", "n5", 'source: "type" must be "tiles" or "zarr"; found \'n5\''),
    (TILES, "source/path", "none", 'source: "path" must be a folder'),
    (TILES, "source/tile_source_type", 2, '"tile_source_type" must be one of 1, 4, 5'),
    (TILES, "source/extension", ".png", '"extension" must be an extension without the dot'),
    (TILES, "source/extension", "png/../x", '"extension" must be an extension without the dot'),
    (TILES, "source/tile_shape", 256, '"tile_shape" must be a list of 2 numbers'),
    (TILES, "source/zoom_levels", 0, '"zoom_levels" must be a whole number, 1 or more'),
    (ZARR, "source/path", "none.zarr", '"path" must be a Zarr store with the arrays'),
    (ZARR, "source/levels", ["s0", "s9"], '"path" must be a Zarr store with the arrays'),
    (ZARR, "source/levels", [], '"levels" must be a list of the arrays'),
    (ZARR, "source/levels", [0], '"levels" must be a list of the arrays'),
    (ZARR, "source/levels", ["s0", "s2"], "levels halved along y and x only"),
    (ZARR, "shape", [5, 23, 38], '"shape" must be [5, 23, 37] as in the store, or nothing'),
    (ZARR, "dtype", "uint8", '"dtype" must be uint16 as in the store, or nothing'),
]


@pytest.mark.parametrize(("entry", "path", "value", "words"), WRONG)
def test_load_stacks__wrong_entry(folder: Path, entry: dict[str, Any], path: str, value: Any, words: str) -> None:
    file = write(folder, changed(entry, path, value))
    with pytest.raises(StackConfigError) as caught:
        load_stacks(file)
    assert words in str(caught.value)
    assert f"{file}: stack 1" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [((5, 23), "uint8", "arrays [z, y, x] of uint8 or uint16"), ((5, 23, 37), "float32", "arrays [z, y, x] of uint8")],
)
def test_load_stacks__arrays_of_another_kind(folder: Path, shape: tuple[int, ...], dtype: str, words: str) -> None:
    zarr.create_array(str(folder / "v.zarr/other"), shape=shape, chunks=shape, dtype=dtype)
    with pytest.raises(StackConfigError) as caught:
        load_stacks(write(folder, changed(ZARR, "source/levels", ["other"])))
    assert words in str(caught.value)


def test_load_stacks__two_of_one_name(folder: Path) -> None:
    with pytest.raises(StackConfigError, match="two stacks have the name 'tiled'"):
        load_stacks(write(folder, TILES, TILES))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", 'expected an object with a list "stacks"'),
        ('{"stacks": {}}', 'expected an object with a list "stacks"'),
        ('{"stacks": []}', 'expected an object with a list "stacks"'),
        ('{"stacks": [3]}', "stack 1: expected an object, got 3"),
    ],
)
def test_load_stacks__wrong_file(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "stacks.json"
    file.write_text(content)
    with pytest.raises(StackConfigError) as caught:
        load_stacks(file)
    assert words in str(caught.value)


def test_load_stacks__no_file(tmp_path: Path) -> None:
    with pytest.raises(StackConfigError, match=r"none\.json can't be read: No such file"):
        load_stacks(tmp_path / "none.json")
