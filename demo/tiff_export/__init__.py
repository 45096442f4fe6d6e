"""Export of a region of a stack as a TIFF file. Independent of Django."""

from __future__ import annotations

from demo.tiff_export.cut import write_crop
from demo.tiff_export.files import new_file, remove_leftovers
from demo.tiff_export.region import Region, RegionError

__all__ = ["Region", "RegionError", "new_file", "remove_leftovers", "write_crop"]
