"""Writer for multi-page TIFF files that ImageJ opens as a volume with its physical size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile

from demo.tiff_export.files import new_file
from demo.tiff_export.region import Region
from demo.volumes import VolumeError

NM_PER_UM = 1000.0


def write_crop(region: Region, target: Path, *, progress: Callable[[int, int], None] | None = None) -> int:
    """Write the region slice by slice, and return the size of the file in bytes.

    At most a few slices are in memory. ``progress(done, total)`` is called after each slice; an exception from it stops
    the crop. The file gets its name when it is complete; after an error, nothing is left.

    Raises:
        VolumeError: a part of the region can't be read.
        OSError: the file can't be written.
    """
    x_nm, y_nm, z_nm = region.stack.level_resolution_nm(region.zoom)
    window = region.window
    metadata = {
        "axes": "ZYX",
        "unit": "um",
        "spacing": z_nm / NM_PER_UM,
        # ImageJ's origin is the place of coordinate 0 in pixels of this file. So ImageJ shows coordinates of the stack.
        "xorigin": -window.x0,
        "yorigin": -window.y0,
        "zorigin": -region.z[0],
        "Labels": [f"z={z}" for z in range(*region.z)],
        "Info": f"{region.stack.title}\nx={region.x}, y={region.y}, z={region.z}, zoom level {region.zoom}\n",
    }
    with new_file(target) as file:
        with tifffile.TiffWriter(file, imagej=True, byteorder=">") as tiff:
            tiff.write(
                _pages(region, progress),
                shape=region.shape,
                dtype=region.stack.dtype,
                photometric="minisblack",
                resolution=(NM_PER_UM / x_nm, NM_PER_UM / y_nm),
                metadata=metadata,
            )
        file.seek(0, 2)
        return file.tell()


def _pages(region: Region, progress: Callable[[int, int], None] | None) -> Iterator[bytes]:
    """Yield the slices in ImageJ's byte order, the most significant byte first.

    They are bytes and not arrays, because NumPy, which writes arrays, doesn't say why it failed when the disk is full.
    """
    shape = region.shape
    stored = region.stack.dtype.newbyteorder(">")
    for done, plane in enumerate(region.stack.source.slices(*region.z, region.window, region.zoom), start=1):
        if plane.shape != shape[1:] or plane.dtype != region.stack.dtype:
            raise VolumeError(f"The slice at z={region.z[0] + done - 1} isn't what the stack's description says.")
        yield np.ascontiguousarray(plane, dtype=stored).tobytes()
        if progress is not None:
            progress(done, shape[0])
