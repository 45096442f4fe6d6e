"""Errors of stacks. The text of a ``VolumeError`` may be shown to users: it never holds a path."""

from __future__ import annotations


class VolumeError(Exception):
    """The pixels can't be read."""


class TileError(VolumeError):
    """One tile is missing or damaged."""

    def __init__(self, what: str, *, z: int, row: int, col: int, zoom: int) -> None:
        super().__init__(f"The image tile at z={z}, row={row}, column={col}, zoom level {zoom} {what}.")
        self.z, self.row, self.col, self.zoom = z, row, col, zoom


class StackConfigError(Exception):
    """The description of the stacks is wrong. The text is for administrators, and may hold paths."""
