"""Pieces of a slice as JPEG pictures for the browser."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image

from demo.volumes import Stack, Window
from demo.volumes.stack import Plane

SIZE: Final = 512
"""Rows and columns of a picture; pictures at the right and lower edge are smaller."""
QUALITY: Final = 90


def picture(stack: Stack, *, zoom: int, z: int, row: int, col: int) -> bytes | None:
    """Return a JPEG, or ``None`` outside of the stack.

    Raises:
        VolumeError: the pixels can't be read.
    """
    if zoom >= stack.zoom_levels or z >= stack.shape[0]:
        return None
    height, width = stack.level_shape(zoom)
    top, left = row * SIZE, col * SIZE
    if top >= height or left >= width:
        return None
    window = Window(y0=top, y1=min(top + SIZE, height), x0=left, x1=min(left + SIZE, width))
    grey = _grey(stack.source.read(z, window, zoom), *stack.contrast)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _grey(plane: Plane, low: int, high: int) -> Plane:
    """Return 8 bits for each pixel, with ``low`` as black and ``high`` as white."""
    if plane.dtype == np.uint8 and (low, high) == (0, 255):
        return plane
    scaled = (plane.astype(np.float32) - low) * (255 / (high - low))
    grey: Plane = np.clip(scaled, 0, 255).astype(np.uint8)
    return grey
