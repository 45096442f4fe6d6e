"""Cutting a region out of a stack into a TIFF file. No Django in here."""

from __future__ import annotations

from demo.tiff_export.cut import write_crop
from demo.tiff_export.files import new_file, remove_leftovers
from demo.tiff_export.region import Region, RegionError

__all__ = ["Region", "RegionError", "new_file", "remove_leftovers", "write_crop"]
