"""Image stacks on disk: descriptions, sources of pixels, and a sample. Independent of Django."""

from __future__ import annotations

from demo.volumes.config import load_stacks
from demo.volumes.errors import StackConfigError, TileError, VolumeError
from demo.volumes.stack import Stack
from demo.volumes.windows import Window

__all__ = ["Stack", "StackConfigError", "TileError", "VolumeError", "Window", "load_stacks"]
