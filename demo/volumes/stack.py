"""What a stack is: its name, its size in pixels and in nanometres, and where its pixels come from."""

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
    """Where pixels come from. Windows are in pixels of the zoom level and within it."""

    def read(self, z: int, window: Window, zoom: int = 0) -> Plane:
        """Return the pixels of one slice.

        Raises:
            VolumeError: they can't be read.
        """

    def slices(self, z0: int, z1: int, window: Window, zoom: int = 0) -> Iterator[Plane]:
        """Yield the same window of the slices z0 ≤ z < z1, with a bounded amount of memory.

        Raises:
            VolumeError: they can't be read.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """An image stack. Slices are never downsampled along z, as CATMAID has it."""

    name: str
    """What URLs and requests call it."""
    title: str
    """What people call it."""
    shape: tuple[int, int, int]
    """Slices, rows and columns at zoom level 0."""
    resolution_nm: tuple[float, float, float]
    """Size of a voxel along x, y and z in nanometres, at zoom level 0."""
    dtype: np.dtype[Any]
    """uint8 or uint16."""
    zoom_levels: int
    """How many there are; each has half the rows and columns of the one before it."""
    source: Source
    contrast: tuple[int, int]
    """The values that are shown as black and as white; crops keep all values as they are."""

    def level_shape(self, zoom: int) -> tuple[int, int]:
        """Return rows and columns of a zoom level.

        Halves are rounded down: some tilers keep the odd last pixel and some drop it, so only these pixels are in all.
        """
        return max(1, self.shape[1] >> zoom), max(1, self.shape[2] >> zoom)

    def level_resolution_nm(self, zoom: int) -> tuple[float, float, float]:
        """Return the size of a voxel of a zoom level along x, y and z in nanometres."""
        x, y, z = self.resolution_nm
        return x * 2**zoom, y * 2**zoom, z
