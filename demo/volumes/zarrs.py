"""Zarr volumes of format 2 and 3: one array [z, y, x] for each zoom level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from demo.volumes.errors import VolumeError
from demo.volumes.stack import Plane
from demo.volumes.windows import Window

SLAB_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes that are read ahead at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ZarrSource:
    """Arrays of one store, the finest first."""

    arrays: tuple[Any, ...]

    @classmethod
    def open(cls, folder: Path, levels: tuple[str, ...]) -> ZarrSource:
        """Open the arrays for reading.

        A level is the path of an array within the store; empty for the store itself.

        Raises:
            OSError, ValueError: there is no such array.
        """
        # Imported here: a site with tiles only needs neither the package nor the half second of its import.
        import zarr

        return cls(arrays=tuple(zarr.open_array(str(folder), path=level, mode="r") for level in levels))

    def read(self, z: int, window: Window, zoom: int = 0) -> Plane:
        """Read a window of one slice; see Source.read()."""
        plane: Plane = self._slab(z, z + 1, window, zoom)[0]
        return plane

    def slices(self, z0: int, z1: int, window: Window, zoom: int = 0) -> Iterator[Plane]:
        """Read a window of several slices; see Source.slices(). Each chunk is decoded once, for all of its slices."""
        depth = self._slab_depth(window, zoom)
        start = z0
        while start < z1:
            stop = min((start // depth + 1) * depth, z1)
            yield from self._slab(start, stop, window, zoom)
            start = stop

    def _slab_depth(self, window: Window, zoom: int) -> int:
        """Return the number of slices to read at once: a chunk's depth, or less to stay below ``SLAB_BYTES_MAX``."""
        array = self.arrays[zoom]
        plane = window.height * window.width * int(array.dtype.itemsize)
        return max(1, min(int(array.chunks[0]), SLAB_BYTES_MAX // plane))

    def _slab(self, z0: int, z1: int, window: Window, zoom: int) -> Plane:
        array = self.arrays[zoom]
        try:
            slab = np.asarray(array[z0:z1, window.y0 : window.y1, window.x0 : window.x1])
        # Codecs raise errors of their own classes for damaged chunks, which have no other common base.
        except Exception as error:
            last = f" to {z1 - 1}" if z1 - z0 > 1 else ""
            raise VolumeError(f"The volume can't be read at z={z0}{last}, zoom level {zoom}.") from error
        return slab.astype(slab.dtype.newbyteorder("="), copy=False)
