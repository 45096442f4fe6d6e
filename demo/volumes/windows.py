"""Rectangles of pixels within a slice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A half-open rectangle, in pixels of one zoom level."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return self.x1 - self.x0

    def at_zoom(self, zoom: int, *, height: int, width: int) -> Window:
        """Return the smallest window of a coarser level, of ``height`` × ``width`` pixels, that covers this one.

        A level may lack the last odd pixel of the level below. The result is limited to the level, but is never empty.
        """
        y0, y1 = _scaled(self.y0, self.y1, zoom, height)
        x0, x1 = _scaled(self.x0, self.x1, zoom, width)
        return Window(y0=y0, y1=y1, x0=x0, x1=x1)


def _scaled(start: int, stop: int, zoom: int, size: int) -> tuple[int, int]:
    first = min(start >> zoom, size - 1)
    return first, min(-(-stop >> zoom), size)
