"""Parser for the description of the stacks, a JSON file; ``demo/README.md`` explains each entry."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from demo.volumes.errors import StackConfigError
from demo.volumes.stack import Source, Stack
from demo.volumes.tiles import LAYOUTS, TileSource
from demo.volumes.zarrs import ZarrSource

DTYPES: Final = ("uint8", "uint16")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
EXTENSION: Final = re.compile(r"[A-Za-z0-9]{1,8}")


def load_stacks(file: Path) -> dict[str, Stack]:
    """Read a description, and return its stacks by name in the order of the file.

    Raises:
        StackConfigError: the file can't be read, or an entry is wrong. The text names the entry and the allowed values.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackConfigError(f"{file} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise StackConfigError(f"{file} is not JSON: {error}.") from error
    entries = content.get("stacks") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise StackConfigError(f'{file}: expected an object with a list "stacks" that is not empty.')
    stacks: dict[str, Stack] = {}
    for number, entry in enumerate(entries):
        stack = _Entry(entry, where=f"{file}: stack {number + 1}").stack(file.parent)
        if stack.name in stacks:
            raise StackConfigError(f"{file}: two stacks have the name {stack.name!r}.")
        stacks[stack.name] = stack
    return stacks


class _Entry:
    """One object of the description. Errors of its checks name its place."""

    def __init__(self, content: Any, *, where: str) -> None:
        if not isinstance(content, dict):
            raise StackConfigError(f"{where}: expected an object, got {content!r}.")
        self.content: Mapping[str, Any] = content
        self.where = where

    def stack(self, base: Path) -> Stack:
        name = self.text("name")
        if not NAME.fullmatch(name):
            raise self.wrong("name", "letters, digits, - and _, 64 at most")
        self.where += f" ({name})"
        resolution = self.numbers("resolution_nm", 3)
        source = self.entry("source")
        kind = source.text("type")
        if kind == "tiles":
            shape, dtype, levels, pixels = self.tiles(source, base)
        elif kind == "zarr":
            shape, dtype, levels, pixels = self.zarr(source, base)
        else:
            raise source.wrong("type", '"tiles" or "zarr"')
        contrast = (0, int(np.iinfo(dtype).max))
        if "contrast" in self.content:
            low, high = self.integers("contrast", 2, least=0)
            if low >= high:
                raise self.wrong("contrast", "two numbers, the smaller one first")
            contrast = (low, high)
        return Stack(
            name=name,
            title=self.text("title"),
            shape=shape,
            resolution_nm=(resolution[0], resolution[1], resolution[2]),
            dtype=dtype,
            zoom_levels=levels,
            source=pixels,
            contrast=contrast,
        )

    def tiles(self, source: _Entry, base: Path) -> tuple[tuple[int, int, int], np.dtype[Any], int, Source]:
        z, y, x = self.integers("shape", 3)
        dtype = self.dtype()
        layout = source.integers("tile_source_type", 1, least=0)[0]
        if layout not in LAYOUTS:
            raise source.wrong("tile_source_type", f"one of {', '.join(map(str, LAYOUTS))}")
        extension = source.text("extension")
        if not EXTENSION.fullmatch(extension):
            raise source.wrong("extension", 'an extension without the dot, such as "jpg"')
        rows, columns = source.integers("tile_shape", 2)
        folder = base / source.text("path")
        if not folder.is_dir():
            raise source.wrong("path", f"a folder, which {folder} is not")
        pixels = TileSource(folder=folder, layout=layout, extension=extension, tile_shape=(rows, columns), dtype=dtype)
        levels = source.integers("zoom_levels", 1)[0] if "zoom_levels" in source.content else 1
        return (z, y, x), dtype, levels, pixels

    def zarr(self, source: _Entry, base: Path) -> tuple[tuple[int, int, int], np.dtype[Any], int, Source]:
        folder = base / source.text("path")
        levels = source.content.get("levels", [""])
        if not isinstance(levels, list) or not levels or not all(isinstance(level, str) for level in levels):
            raise source.wrong("levels", "a list of the arrays' paths within the store, the finest first")
        try:
            pixels = ZarrSource.open(folder, tuple(levels))
        except (OSError, ValueError) as error:
            raise source.wrong("path", f"a Zarr store with the arrays {levels!r} ({error})") from error
        finest = pixels.arrays[0]
        for level, array in zip(levels, pixels.arrays, strict=True):
            if array.ndim != 3 or array.dtype.kind != "u" or array.dtype.itemsize > 2:
                raise source.wrong("levels", f"arrays [z, y, x] of uint8 or uint16; {level!r} is not one")
            if array.dtype != finest.dtype:
                raise source.wrong("levels", f"arrays of one type; {level!r} differs from {levels[0]!r}")
        shape = (int(finest.shape[0]), int(finest.shape[1]), int(finest.shape[2]))
        for zoom, (level, array) in enumerate(zip(levels, pixels.arrays, strict=True)):
            least = (shape[0], max(1, shape[1] >> zoom), max(1, shape[2] >> zoom))
            if any(has < needs for has, needs in zip(array.shape, least, strict=True)):
                raise source.wrong("levels", f"levels halved along y and x only; {level!r} is smaller than {least}")
        if "shape" in self.content and tuple(self.integers("shape", 3)) != shape:
            raise self.wrong("shape", f"{list(shape)} as in the store, or nothing")
        dtype: np.dtype[Any] = np.dtype(DTYPES[finest.dtype.itemsize - 1])  # native byte order
        if "dtype" in self.content and self.dtype() != dtype:
            raise self.wrong("dtype", f"{dtype.name} as in the store, or nothing")
        return shape, dtype, len(levels), pixels

    def dtype(self) -> np.dtype[Any]:
        if self.content.get("dtype") not in DTYPES:
            raise self.wrong("dtype", f"one of {', '.join(DTYPES)}")
        dtype: np.dtype[Any] = np.dtype(self.content["dtype"])
        return dtype

    def entry(self, key: str) -> _Entry:
        return _Entry(self.content.get(key), where=f"{self.where}, {key}")

    def text(self, key: str) -> str:
        value = self.content.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 1000:
            raise self.wrong(key, "a text that is not empty")
        return value

    def numbers(self, key: str, count: int) -> list[float]:
        values = self.values(key, count)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise self.wrong(key, f"{count} numbers above 0")
        return [float(value) for value in values]

    def integers(self, key: str, count: int, *, least: int = 1) -> list[int]:
        values = self.values(key, count)
        for value in values:
            # Beyond 2^31, ImageJ and most image libraries fail, and sums could overflow NumPy's integers.
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
                what = "a whole number" if count == 1 else f"{count} whole numbers"
                raise self.wrong(key, f"{what}, {least} or more")
        return values

    def values(self, key: str, count: int) -> list[Any]:
        value = self.content.get(key)
        values = [value] if count == 1 else value
        if not isinstance(values, list) or len(values) != count:
            raise self.wrong(key, f"a list of {count} numbers" if count > 1 else "a number")
        return values

    def wrong(self, key: str, expected: str) -> StackConfigError:
        found = repr(self.content[key])[:200] if key in self.content else "nothing"
        return StackConfigError(f'{self.where}: "{key}" must be {expected}; found {found}.')
