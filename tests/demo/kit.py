"""Small volumes with known pixels, and stacks of them in every format.

To test a further source: write the array with a function like ``write_tiles``, and add a line to ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from PIL import Image

from demo.volumes import Stack, Window
from demo.volumes.stack import Source
from demo.volumes.tiles import TileSource
from demo.volumes.zarrs import ZarrSource

SHAPE = (5, 23, 37)
"""Slices, rows, columns: the last tiles of both directions are cut."""
TILE = (8, 16)
"""Rows and columns: different ones, so that mixing them up shows."""
ZOOM_LEVELS = 3

PATHS = {
    1: "{z}/{row}_{col}_{zoom}.{extension}",
    4: "{z}/{zoom}/{row}_{col}.{extension}",
    5: "{zoom}/{z}/{row}/{col}.{extension}",
}
"""Written down from CATMAID's documentation, apart from the code under test."""


def volume(dtype: str = "uint8", shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[Any]:
    """Return random pixels that use all values of their type."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def levels(pixels: NDArray[Any], count: int = ZOOM_LEVELS) -> list[NDArray[Any]]:
    """Return zoom levels; every second pixel is enough to tell one from another."""
    return [pixels[:, :: 2**zoom, :: 2**zoom][:, : max(1, pixels.shape[1] >> zoom), : max(1, pixels.shape[2] >> zoom)] for zoom in range(count)]  # fmt: skip  # noqa: E501


def write_tiles(
    folder: Path, pixels: NDArray[Any], *, layout: int, extension: str = "png", padded: bool = False
) -> None:
    """Write all zoom levels as tiles; with ``padded``, those at the edge have the full size."""
    for zoom, level in enumerate(levels(pixels)):
        for z, plane in enumerate(level):
            for row in range(-(-plane.shape[0] // TILE[0])):
                for col in range(-(-plane.shape[1] // TILE[1])):
                    tile = plane[row * TILE[0] : (row + 1) * TILE[0], col * TILE[1] : (col + 1) * TILE[1]]
                    if padded:
                        lack = [(0, TILE[axis] - tile.shape[axis]) for axis in (0, 1)]
                        tile = np.pad(tile, lack, constant_values=77)
                    path = folder / PATHS[layout].format(z=z, row=row, col=col, zoom=zoom, extension=extension)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(tile).save(path)


def tile_source(folder: Path, *, layout: int, extension: str = "png", dtype: str = "uint8") -> TileSource:
    """Return a source of what write_tiles() wrote."""
    return TileSource(folder=folder, layout=layout, extension=extension, tile_shape=TILE, dtype=np.dtype(dtype))


def write_zarr(folder: Path, pixels: NDArray[Any], *, zarr_format: Any = 3, depth: int = 2) -> None:
    """Write all zoom levels as arrays s0, s1 … with chunks of ``depth`` slices."""
    group = zarr.open_group(str(folder), mode="w", zarr_format=zarr_format)
    for zoom, level in enumerate(levels(pixels)):
        array = group.create_array(f"s{zoom}", shape=level.shape, chunks=(depth, 8, 16), dtype=level.dtype)
        array[:] = level


def zarr_source(folder: Path) -> ZarrSource:
    """Return a source of what write_zarr() wrote."""
    return ZarrSource.open(folder, tuple(f"s{zoom}" for zoom in range(ZOOM_LEVELS)))


def stack(source: Source, *, dtype: str = "uint8", shape: tuple[int, int, int] = SHAPE, name: str = "tissue") -> Stack:
    """Describe a stack of that source."""
    return Stack(
        name=name,
        title="Some tissue",
        shape=shape,
        resolution_nm=(4.0, 5.0, 35.0),
        dtype=np.dtype(dtype),
        zoom_levels=ZOOM_LEVELS,
        source=source,
        contrast=(0, int(np.iinfo(dtype).max)),
    )


class ArraySource:
    """A source in memory; ``fails_at`` is the slice that raises ``error``."""

    def __init__(self, pixels: NDArray[Any], *, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.levels = levels(pixels)
        self.fails_at = fails_at
        self.error = error
        self.alive = 0
        """Slices read and not yet freed by those who asked for them; the highest number is in ``most``."""

    def read(self, z: int, window: Window, zoom: int = 0) -> NDArray[Any]:
        """See Source.read()."""
        if z == self.fails_at and self.error is not None:
            raise self.error
        return self.levels[zoom][z, window.y0 : window.y1, window.x0 : window.x1].copy()

    def slices(self, z0: int, z1: int, window: Window, zoom: int = 0) -> Iterator[NDArray[Any]]:
        """See Source.slices()."""
        for z in range(z0, z1):
            yield self.read(z, window, zoom)


def whole(zoom: int = 0) -> Window:
    """Return the window of a whole slice of ``SHAPE``."""
    return Window(y0=0, y1=SHAPE[1] >> zoom, x0=0, x1=SHAPE[2] >> zoom)
