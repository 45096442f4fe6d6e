"""Region of a stack to crop, and the validation of requests for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from demo.volumes import Stack, Window

FILE_BYTES_MAX: Final = 2**32 - 64 * 2**20
"""Largest TIFF file that ImageJ reads: its offsets have 32 bits. The subtracted part is for the file's directories."""


class RegionError(ValueError):
    """The region can't be cropped. The text is for the user; ``field`` names the wrong entry of the request."""

    def __init__(self, text: str, *, field: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A box in a stack: half-open ranges in pixels of zoom level 0, and the zoom level to crop from."""

    stack: Stack
    x: tuple[int, int]
    y: tuple[int, int]
    z: tuple[int, int]
    zoom: int = 0

    @classmethod
    def checked(cls, request: Any, stacks: Mapping[str, Stack], *, bytes_max: int) -> Region:
        """Return the region in a decoded JSON object ``{"stack", "x": [first, end], "y", "z", "zoom"}``.

        Raises:
            RegionError: an entry is missing or wrong, or the result would have more than ``bytes_max`` bytes.
        """
        if not isinstance(request, Mapping):
            raise RegionError("The request must be a JSON object.", field="stack")
        name = request.get("stack")
        stack = stacks.get(name) if isinstance(name, str) else None
        if stack is None:
            raise RegionError("There is no such image stack.", field="stack")
        depth, height, width = stack.shape
        region = cls(
            stack=stack,
            x=_range(request, "x", width),
            y=_range(request, "y", height),
            z=_range(request, "z", depth),
            zoom=_zoom(request, stack.zoom_levels),
        )
        limit = min(bytes_max, FILE_BYTES_MAX)
        if region.size_bytes > limit:
            raise RegionError(
                f"The region is too large: {region.dimensions} pixels are {megabytes(region.size_bytes)}, "
                f"and {megabytes(limit)} are allowed. Choose a smaller region, fewer slices or a coarser zoom level.",
                field="size",
            )
        return region

    @property
    def window(self) -> Window:
        """Rectangle of each slice, in pixels of ``zoom``."""
        height, width = self.stack.level_shape(self.zoom)
        whole = Window(y0=self.y[0], y1=self.y[1], x0=self.x[0], x1=self.x[1])
        return whole.at_zoom(self.zoom, height=height, width=width)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns of the result."""
        return self.z[1] - self.z[0], self.window.height, self.window.width

    @property
    def size_bytes(self) -> int:
        """Size of the result's pixels, in bytes."""
        depth, height, width = self.shape
        return depth * height * width * self.stack.dtype.itemsize

    @property
    def dimensions(self) -> str:
        """Columns × rows × slices of the result, for people."""
        depth, height, width = self.shape
        return f"{width:,} × {height:,} × {depth:,}"


def megabytes(count: int) -> str:
    """Return a number of bytes as a text for people."""
    if count < 1e6:
        return f"{count / 1e3:,.0f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 100e6 else f"{count / 1e6:,.0f} MB"


def _range(request: Mapping[str, Any], axis: str, size: int) -> tuple[int, int]:
    value = request.get(axis)
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(_is_integer(limit) for limit in value):
        raise RegionError(f"{axis} must be two whole numbers: where the region begins and where it ends.", field=axis)
    first, end = value
    if first < 0:
        raise RegionError(f"{axis} begins outside of the stack, below 0.", field=axis)
    if first == end:
        raise RegionError(f"The region has no extent along {axis}.", field=axis)
    if first > end:
        raise RegionError(f"{axis} ends before it begins.", field=axis)
    if end > size:
        raise RegionError(f"{axis} ends outside of the stack, which has {size:,} pixels along {axis}.", field=axis)
    return first, end


def _zoom(request: Mapping[str, Any], levels: int) -> int:
    zoom = request.get("zoom", 0)
    if not _is_integer(zoom) or not 0 <= zoom < levels:
        raise RegionError(f"The zoom level must be a whole number from 0 to {levels - 1}.", field="zoom")
    return int(zoom)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
