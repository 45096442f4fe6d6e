"""Cutting a region out of a stack into a TIFF file. No Django in here."""

from __future__ import annotations

from demo.cropping.cut import write_crop
from demo.cropping.files import new_file, remove_leftovers
from demo.cropping.region import Region, RegionError

__all__ = ["Region", "RegionError", "new_file", "remove_leftovers", "write_crop"]
