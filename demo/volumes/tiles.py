"""Tiled image stacks in CATMAID's file layouts.

CATMAID's documentation ("Tile Source Conventions", sphinx-doc/source/tile_sources.rst) numbers these layouts as tile
source types 1 ("file-based image stack"), 4 ("file-based image stack with zoom level directories") and 5
("directory-based image stack"). A row is a tile's y origin divided by the tile height, a column its x origin divided
by the tile width, zoom level 0 is the original scale and each further one half of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from demo.volumes.errors import TileError
from demo.volumes.stack import Plane
from demo.volumes.windows import Window

LAYOUTS: Final[dict[int, str]] = {
    1: "{z}/{row}_{col}_{zoom}.{extension}",
    4: "{z}/{zoom}/{row}_{col}.{extension}",
    5: "{zoom}/{z}/{row}/{col}.{extension}",
}
"""Path of a tile below the stack's folder, by CATMAID's tile source type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TileSource:
    """Tiles in one folder. Tiles at the right and lower edge may be padded to the full size, or cut."""

    folder: Path
    layout: int
    """CATMAID's tile source type, a key of ``LAYOUTS``."""
    extension: str
    """Extension of the files without the dot: jpg, png, tif …"""
    tile_shape: tuple[int, int]
    """Rows and columns of a whole tile."""
    dtype: np.dtype[Any]

    def path(self, *, z: int, row: int, col: int, zoom: int) -> Path:
        """Return the path of a tile."""
        place = {"z": z, "row": row, "col": col, "zoom": zoom}
        return self.folder / LAYOUTS[self.layout].format(**place, extension=self.extension)

    def read(self, z: int, window: Window, zoom: int = 0) -> Plane:
        """Read a window from the tiles; see Source.read()."""
        plane = np.empty((window.height, window.width), dtype=self.dtype)
        for row, y0, y1 in _grid(window.y0, window.y1, self.tile_shape[0]):
            for col, x0, x1 in _grid(window.x0, window.x1, self.tile_shape[1]):
                top, left = row * self.tile_shape[0], col * self.tile_shape[1]
                tile = self._tile(z=z, row=row, col=col, zoom=zoom)
                part = tile[y0 - top : y1 - top, x0 - left : x1 - left]
                if part.shape != (y1 - y0, x1 - x0):
                    raise TileError(
                        f"is too small: it has {tile.shape[1]} × {tile.shape[0]} pixels, "
                        f"of which at least {x1 - left} × {y1 - top} are needed",
                        z=z, row=row, col=col, zoom=zoom,
                    )  # fmt: skip
                plane[y0 - window.y0 : y1 - window.y0, x0 - window.x0 : x1 - window.x0] = part
        return plane

    def slices(self, z0: int, z1: int, window: Window, zoom: int = 0) -> Iterator[Plane]:
        """Read a window of several slices; see Source.slices()."""
        for z in range(z0, z1):
            yield self.read(z, window, zoom)

    def _tile(self, *, z: int, row: int, col: int, zoom: int) -> Plane:
        place = {"z": z, "row": row, "col": col, "zoom": zoom}
        try:
            with Image.open(self.path(**place)) as image:
                return _pixels(image, self.dtype)
        except FileNotFoundError as error:
            raise TileError("is missing", **place) from error
        except PermissionError as error:
            raise TileError("may not be read by the server", **place) from error
        # For a damaged file, Pillow raises OSError, SyntaxError (PNG), ValueError or two errors of its own, by format.
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise TileError("is damaged", **place) from error


def _grid(start: int, stop: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number of the tile, first pixel, end) for each tile that overlaps start ≤ pixel < stop."""
    for number in range(start // size, -(-stop // size)):
        yield number, max(start, number * size), min(stop, (number + 1) * size)


def _pixels(image: Image.Image, dtype: np.dtype[Any]) -> Plane:
    """Decode a tile to grey values. Colour tiles of grey stacks are common, since many tilers write nothing else."""
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image)
    elif image.mode == "I":  # 16-bit PNG in Pillow before 11.3
        pixels = np.asarray(image)
        if pixels.size and (pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max):
            raise ValueError("values beyond 16 bits")
        pixels = pixels.astype(np.uint16)
    else:
        pixels = np.asarray(image if image.mode == "L" else image.convert("L"))
    if pixels.dtype.itemsize > dtype.itemsize:
        raise ValueError(f"{pixels.dtype} does not fit into {dtype}")
    return pixels.astype(dtype, copy=False)
