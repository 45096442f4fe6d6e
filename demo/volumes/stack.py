"""Image stack: name, size in pixels and in nanometres, and source of the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from demo.volumes.windows import Window

Plane = NDArray[Any]
"""Pixels of one slice, indexed [y, x]; uint8 or uint16."""


class Source(Protocol):
    """Source of pixels. Windows are in pixels of the zoom level, and lie within it."""

    def read(self, z: int, window: Window, zoom: int = 0) -> Plane:
        """Return the pixels of one slice.

        Raises:
            VolumeError: they can't be read.
        """

    def slices(self, z0: int, z1: int, window: Window, zoom: int = 0) -> Iterator[Plane]:
        """Yield the same window of the slices z0 ≤ z < z1, in bounded memory.

        Raises:
            VolumeError: they can't be read.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """An image stack. As in CATMAID, slices are never downsampled along z."""

    name: str
    """Name in URLs and requests."""
    title: str
    """Name for people."""
    shape: tuple[int, int, int]
    """Slices, rows and columns at zoom level 0."""
    resolution_nm: tuple[float, float, float]
    """Size of a voxel along x, y and z in nanometres, at zoom level 0."""
    dtype: np.dtype[Any]
    """uint8 or uint16."""
    zoom_levels: int
    """Number of zoom levels; each has half the rows and columns of the one before it."""
    source: Source
    contrast: tuple[int, int]
    """Values that are shown as black and as white. Crops keep all values unchanged."""

    def level_shape(self, zoom: int) -> tuple[int, int]:
        """Return the rows and columns of a zoom level.

        Halves are rounded down: some tilers keep the odd last pixel and some drop it, so only these pixels are certain.
        """
        return max(1, self.shape[1] >> zoom), max(1, self.shape[2] >> zoom)

    def level_resolution_nm(self, zoom: int) -> tuple[float, float, float]:
        """Return the size of a voxel of a zoom level along x, y and z in nanometres."""
        x, y, z = self.resolution_nm
        return x * 2**zoom, y * 2**zoom, z
