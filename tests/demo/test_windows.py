"""Windows at coarser zoom levels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.volumes import Window


@pytest.mark.parametrize(
    ("window", "zoom", "expected"),
    [
        ((0, 8, 0, 16), 0, (0, 8, 0, 16)),
        ((0, 8, 0, 16), 1, (0, 4, 0, 8)),
        ((3, 5, 7, 9), 1, (1, 3, 3, 5)),  # every pixel that a part of the window is in
        ((4, 6, 4, 6), 2, (1, 2, 1, 2)),
        ((22, 23, 36, 37), 1, (10, 11, 17, 18)),  # the odd last pixel isn't in the level; its neighbour stands for it
        ((0, 23, 0, 37), 1, (0, 11, 0, 18)),
        ((0, 1, 0, 1), 7, (0, 1, 0, 1)),
    ],
)
def test_at_zoom__examples(window: tuple[int, int, int, int], zoom: int, expected: tuple[int, int, int, int]) -> None:
    y0, y1, x0, x1 = window
    height, width = max(1, 23 >> zoom), max(1, 37 >> zoom)
    found = Window(y0=y0, y1=y1, x0=x0, x1=x1).at_zoom(zoom, height=height, width=width)
    assert (found.y0, found.y1, found.x0, found.x1) == expected


@given(data=st.data(), size=st.integers(1, 5000), zoom=st.integers(0, 12))
def test_at_zoom__is_never_empty_and_never_outside(data: st.DataObject, size: int, zoom: int) -> None:
    first = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(first + 1, size))
    level = max(1, size >> zoom)
    found = Window(y0=first, y1=end, x0=first, x1=end).at_zoom(zoom, height=level, width=level)
    assert 0 <= found.y0 < found.y1 <= level
    assert (found.y0, found.y1) == (found.x0, found.x1)
