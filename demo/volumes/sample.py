"""Generator of a sample volume that resembles neural tissue under an electron microscope.

Cells are a Voronoi tessellation around centres that wander from slice to slice, seen through a slowly changing
warp; their borders are the membranes. Some cells hold mitochondria, some are full of vesicles.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.volumes.stack import Plane
from demo.volumes.tiles import LAYOUTS

Floats = NDArray[np.float32]

SHAPE: Final = (64, 700, 1000)
"""Slices, rows, columns. They are no multiples of the tile size, so that there are tiles at the edges."""
RESOLUTION_NM: Final = (4.0, 4.0, 40.0)
TILE: Final = 256
ZOOM_LEVELS: Final = 4
SEED: Final = 1906
"""The year in which Golgi and Cajal shared a prize for looking at such tissue."""
JPEG_QUALITY: Final = 88


def ensure_sample(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Create the sample in ``folder`` unless it exists, and return its description for ``load_stacks``.

    It is written beside the folder and then renamed, so a half-written one is never taken for a complete one.

    Raises:
        OSError: it can't be written.
    """
    description = folder / "stacks.json"
    if description.is_file():
        return description
    folder.parent.mkdir(parents=True, exist_ok=True)
    # With one name for all processes, two first starts would write into each other's files.
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    _remove_leftovers(folder)
    try:
        _write(unfinished, tissue(SHAPE, SEED), SHAPE, progress)
        try:
            unfinished.rename(folder)
        except OSError:
            if not description.is_file():  # otherwise another process was faster, and its sample is the same
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return description


def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished samples of killed processes."""
    for path in folder.parent.glob(f"{folder.name}.[0-9]*.part"):
        pid = int(path.suffixes[-2].removeprefix("."))
        try:
            if pid != os.getpid():
                os.kill(pid, 0)  # only tests whether the process exists
                continue
        except OSError:
            pass  # the process has ended
        shutil.rmtree(path, ignore_errors=True)


def tissue(shape: tuple[int, int, int], seed: int) -> Iterator[Plane]:
    """Yield the slices (uint8) of a volume of ``shape``: slices, rows, columns. The same seed gives the same volume."""
    depth, height, width = shape
    rng = np.random.default_rng(seed)
    half = (-(-height // 2), -(-width // 2))  # membranes are drawn at half the size, which takes a quarter of the time
    cells = _Cells.scatter(rng, depth=depth, half=half)
    warp = [_Drift.random(rng, half, cell=40, strength=9.0) for _ in range(2)]
    shade = _Drift.random(rng, half, cell=90, strength=7.0)
    vesicles = _Vesicles.scatter(rng, cells)
    for z in range(depth):
        warp_y, warp_x = (field.at(z) for field in warp)
        grey = cells.draw(z, warp_y, warp_x) + shade.at(z)
        full = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC)).copy()
        vesicles.draw(full, z, warp_y, warp_x)
        full += rng.standard_normal(full.shape, dtype=np.float32) * 6
        coarse = rng.standard_normal(half, dtype=np.float32) * 9
        full += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))
        yield np.clip(full, 0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drift:
    """Smooth noise that changes slowly from slice to slice, by blending two fields."""

    fields: tuple[Floats, Floats]
    slices_per_turn: float

    @classmethod
    def random(cls, rng: np.random.Generator, shape: tuple[int, int], *, cell: int, strength: float) -> _Drift:
        def field() -> Floats:
            coarse = rng.standard_normal((shape[0] // cell + 4, shape[1] // cell + 4)).astype(np.float32) * strength
            smooth = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
            return np.asarray(smooth, dtype=np.float32)

        return cls(fields=(field(), field()), slices_per_turn=90.0)

    def at(self, z: int) -> Floats:
        angle = 2 * np.pi * z / self.slices_per_turn
        first, second = self.fields
        return first * np.float32(np.cos(angle)) + second * np.float32(np.sin(angle))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cells:
    """Cells that run through the slices. Lengths are in pixels of the half-size image."""

    paths: Floats
    """Centre of each cell in each slice, [cell, z, (y, x)]."""
    weights: Floats
    """Values that are subtracted from the distance to a cell's centre; larger cells have larger ones."""
    greys: Floats
    mitochondria: dict[int, tuple[float, float, float]]
    """Cell → offset y and x of its mitochondrion from the centre, and angle of its cristae."""
    shape: tuple[int, int]

    @classmethod
    def scatter(cls, rng: np.random.Generator, *, depth: int, half: tuple[int, int]) -> _Cells:
        # A jittered grid covers the plane evenly: a window of a fixed radius always holds the nearest two centres.
        spacing = 30
        rows, columns = np.mgrid[-1 : half[0] // spacing + 2, -1 : half[1] // spacing + 2]
        start = np.stack([rows.ravel(), columns.ravel()], axis=1) * spacing + spacing / 2
        start = start + rng.uniform(-0.45, 0.45, start.shape) * spacing
        count = len(start)
        phase = rng.uniform(0, 2 * np.pi, (count, 1, 2))
        turn = rng.uniform(0.03, 0.11, (count, 1, 2))
        reach = rng.uniform(2, 13, (count, 1, 2))
        z = np.arange(depth)[None, :, None]
        wander = np.cumsum(rng.normal(0, 0.35, (count, depth, 2)), axis=1)
        paths = start[:, None, :] + reach * np.sin(turn * z + phase) + wander
        inside = rng.permutation(count)[: count // 5]
        mitochondria = {
            int(cell): (float(rng.uniform(-6, 6)), float(rng.uniform(-6, 6)), float(rng.uniform(0, np.pi)))
            for cell in inside
        }
        return cls(
            paths=paths.astype(np.float32),
            weights=rng.normal(0, 5, count).clip(-9, 9).astype(np.float32),
            greys=rng.normal(172, 12, count).astype(np.float32),
            mitochondria=mitochondria,
            shape=half,
        )

    def draw(self, z: int, warp_y: Floats, warp_x: Floats) -> Floats:
        """Return the grey values of a slice: cytoplasm, membranes, mitochondria."""
        nearest = np.full(self.shape, np.inf, dtype=np.float32)
        second = np.full(self.shape, np.inf, dtype=np.float32)
        grey = np.full(self.shape, 170, dtype=np.float32)
        for cell, (y, x) in enumerate(self.paths[:, z]):
            window = self._around(y, x, radius=80)
            if window is None:
                continue
            distance = self._distance(window, y, x, warp_y, warp_x) - self.weights[cell]
            near, far, shade = nearest[window], second[window], grey[window]
            np.minimum(far, np.maximum(near, distance), out=far)
            closer = distance < near
            shade[closer] = self.greys[cell]
            np.minimum(near, distance, out=near)
        between = second - nearest
        grey -= 118 * np.exp(-((between / 2.6) ** 2))
        for cell, (offset_y, offset_x, angle) in self.mitochondria.items():
            y, x = self.paths[cell, z] + (offset_y, offset_x)
            self._draw_mitochondrion(grey, between, z, (float(y), float(x)), angle, warp_y, warp_x)
        return grey

    def _draw_mitochondrion(
        self,
        grey: Floats,
        between: Floats,
        z: int,
        at: tuple[float, float],
        angle: float,
        warp_y: Floats,
        warp_x: Floats,
    ) -> None:
        window = self._around(*at, radius=40)
        # Mitochondria have ends: a slow sine lets each one swell, shrink and vanish along z.
        radius = 9 * np.sin(z / 17 + angle * 5) + 4
        if window is None or radius < 3:
            return
        distance = self._distance(window, *at, warp_y, warp_x)
        rows, columns = np.mgrid[window]
        stripes = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 1.15 + z * 0.2)
        inside = (distance < radius) & (between[window] > 5)
        rim = inside & (distance > radius - 1.8)
        patch = grey[window]
        patch[inside] = (118 + 20 * stripes)[inside]
        patch[rim] = 78

    def _around(self, y: float, x: float, *, radius: int) -> tuple[slice, slice] | None:
        top, left = max(0, int(y) - radius), max(0, int(x) - radius)
        bottom, right = min(self.shape[0], int(y) + radius), min(self.shape[1], int(x) + radius)
        return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None

    @staticmethod
    def _distance(window: tuple[slice, slice], y: float, x: float, warp_y: Floats, warp_x: Floats) -> Floats:
        rows, columns = window
        dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + warp_y[window] - np.float32(y)
        dx = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + warp_x[window] - np.float32(x)
        distance: Floats = np.sqrt(dy * dy + dx * dx)
        return distance


@dataclass(frozen=True, kw_only=True, slots=True)
class _Vesicles:
    """Small dark rings in some cells. A vesicle is 40 nm wide, as thick as a slice, so it is in one slice only."""

    places: NDArray[Any]
    """Rows of (z, y, x), in pixels of the full-size image before the warp."""

    RADIUS = 6

    @classmethod
    def scatter(cls, rng: np.random.Generator, cells: _Cells) -> _Vesicles:
        count, depth, _ = cells.paths.shape
        clusters = []
        for cell in rng.permutation(count)[: count // 4]:
            if int(cell) in cells.mitochondria:
                continue
            middle, length, number = rng.integers(depth), rng.integers(8, 30), rng.integers(300, 900)
            z = np.clip(rng.normal(middle, length / 2, number).astype(int), 0, depth - 1)
            centre = cells.paths[cell, z] * 2
            clusters.append(np.column_stack([z, centre + rng.normal(0, 13, (number, 2))]))
        return cls(places=np.concatenate(clusters) if clusters else np.empty((0, 3)))

    def draw(self, image: Floats, z: int, warp_y: Floats, warp_x: Floats) -> None:
        size = 2 * self.RADIUS + 1
        rows, columns = np.mgrid[:size, :size] - self.RADIUS
        distance = np.hypot(rows, columns)
        ring = (-62 * np.exp(-(((distance - 3.6) / 1.25) ** 2)) + 10 * (distance < 2.4)).astype(np.float32)
        for _, y, x in self.places[self.places[:, 0] == z]:
            row, column = np.clip([int(y) // 2, int(x) // 2], 0, np.array(warp_y.shape) - 1)
            top = int(y - 2 * warp_y[row, column]) - self.RADIUS
            left = int(x - 2 * warp_x[row, column]) - self.RADIUS
            patch = image[max(0, top) : top + size, max(0, left) : left + size]
            # Whole rings on cytoplasm only, so that vesicles neither overlap nor lie on a membrane.
            if patch.shape == ring.shape and patch.min() > 128:
                patch += ring


def _write(
    folder: Path, slices: Iterator[Plane], shape: tuple[int, int, int], progress: Callable[[int, int], None] | None
) -> None:
    import zarr  # imported here for the reason in ZarrSource.open()

    folder.mkdir(parents=True)
    depth, height, width = shape
    store = zarr.open_group(str(folder / "volume.zarr"), mode="w")
    arrays = [
        store.create_array(
            f"s{zoom}", shape=(depth, height >> zoom, width >> zoom), chunks=(1, TILE, TILE), dtype="uint8"
        )
        for zoom in range(ZOOM_LEVELS)
    ]
    for z, plane in enumerate(slices):
        for zoom in range(ZOOM_LEVELS):
            arrays[zoom][z] = plane
            _write_tiles(folder / "tiles", plane, z, zoom)
            plane = halved(plane)
        if progress is not None:
            progress(z + 1, depth)
    (folder / "stacks.json").write_text(json.dumps(_description(shape), indent=2) + "\n", encoding="utf-8")


def _write_tiles(folder: Path, plane: Plane, z: int, zoom: int) -> None:
    for row in range(-(-plane.shape[0] // TILE)):
        for col in range(-(-plane.shape[1] // TILE)):
            tile = plane[row * TILE : (row + 1) * TILE, col * TILE : (col + 1) * TILE]
            path = folder / LAYOUTS[1].format(z=z, row=row, col=col, zoom=zoom, extension="jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tile).save(path, quality=JPEG_QUALITY)


def halved(plane: Plane) -> Plane:
    """Return the next zoom level: the mean of each 2 × 2 pixels. An odd last row or column is dropped."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    blocks = plane[: height * 2, : width * 2].reshape(height, 2, width, 2)
    means: Plane = blocks.mean(axis=(1, 3), dtype=np.float32).round().astype(plane.dtype)
    return means


def _description(shape: tuple[int, int, int]) -> dict[str, Any]:
    shared = {"shape": list(shape), "resolution_nm": list(RESOLUTION_NM), "dtype": "uint8"}
    tiles = {
        "type": "tiles",
        "path": "tiles",
        "tile_source_type": 1,
        "extension": "jpg",
        "tile_shape": [TILE, TILE],
        "zoom_levels": ZOOM_LEVELS,
    }
    zarr = {"type": "zarr", "path": "volume.zarr", "levels": [f"s{zoom}" for zoom in range(ZOOM_LEVELS)]}
    return {
        "stacks": [
            {"name": "sample", "title": "Sample tissue (JPEG tiles)", **shared, "source": tiles},
            {"name": "sample-zarr", "title": "Sample tissue (Zarr, lossless)", **shared, "source": zarr},
        ]
    }
