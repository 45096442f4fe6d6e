"""Pieces of slices as pictures."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demo.crops import pictures
from demo.volumes import Stack
from tests.demo import kit

SHAPE = (3, 700, 900)


def smooth(dtype: str) -> Any:
    """Return a volume that JPEG hardly changes: a slope along y and x, another one in each slice."""
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    slope = (z * 60 + y / 7 + x / 20) / 300
    return (slope * np.iinfo(dtype).max).astype(dtype)


def stack_of(dtype: str) -> Stack:
    return kit.stack(kit.ArraySource(smooth(dtype)), dtype=dtype, shape=SHAPE)


def decoded(content: bytes | None) -> Any:
    assert content is not None
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("row", "col", "shape"), [(0, 0, (512, 512)), (1, 1, (188, 388)), (0, 1, (512, 388))])
def test_picture__is_its_piece_of_the_slice(dtype: str, row: int, col: int, shape: tuple[int, int]) -> None:
    found = decoded(pictures.picture(stack_of(dtype), zoom=0, z=2, row=row, col=col))
    expected = smooth("uint8")[2, row * 512 : (row + 1) * 512, col * 512 : (col + 1) * 512].astype(int)
    assert found.shape == expected.shape == shape
    assert np.abs(found - expected).max() <= 3


def test_picture__of_a_coarser_level() -> None:
    found = decoded(pictures.picture(stack_of("uint8"), zoom=2, z=1, row=0, col=0))
    assert found.shape == (175, 225)
    assert np.abs(found - smooth("uint8")[1, :700:4, :900:4]).max() <= 3


def test_picture__contrast() -> None:
    stack = replace(stack_of("uint16"), contrast=(10_000, 20_000))
    found = decoded(pictures.picture(stack, zoom=0, z=0, row=0, col=0))
    expected = np.clip((smooth("uint16")[0, :512, :512].astype(float) - 10_000) / 10_000 * 255, 0, 255)
    assert np.abs(found - expected).max() <= 4
    assert (expected == 0).any()


@pytest.mark.parametrize("place", [{"zoom": 3}, {"z": 3}, {"row": 2}, {"col": 2}, {"zoom": 1, "row": 1}])
def test_picture__nothing_there(place: dict[str, int]) -> None:
    whole = {"zoom": 0, "z": 0, "row": 0, "col": 0}
    assert pictures.picture(stack_of("uint8"), **{**whole, **place}) is None
