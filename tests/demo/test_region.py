"""Regions: what is refused, and in which words; what size the others have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tiff_export import Region, RegionError
from demo.tiff_export.region import FILE_BYTES_MAX, megabytes
from demo.volumes import Stack
from tests.demo import kit

GOOD = {"stack": "tissue", "x": [3, 20], "y": [0, 23], "z": [1, 5], "zoom": 0}


@pytest.fixture
def stacks() -> dict[str, Stack]:
    return {"tissue": kit.stack(kit.ArraySource(kit.volume()))}


def check(stacks: dict[str, Stack], bytes_max: int = 10**9, **changes: Any) -> Region:
    request = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    return Region.checked(request, stacks, bytes_max=bytes_max)


def test_checked__good(stacks: dict[str, Stack]) -> None:
    region = check(stacks)
    assert (region.x, region.y, region.z, region.zoom) == ((3, 20), (0, 23), (1, 5), 0)
    assert region.shape == (4, 23, 17)
    assert region.size_bytes == 4 * 23 * 17
    assert region.dimensions == "17 × 23 × 4"


def test_checked__whole_stack_and_single_voxel(stacks: dict[str, Stack]) -> None:
    assert check(stacks, x=[0, 37], y=[0, 23], z=[0, 5]).shape == (5, 23, 37)
    assert check(stacks, x=[36, 37], y=[22, 23], z=[4, 5]).shape == (1, 1, 1)


def test_checked__zoom_left_out(stacks: dict[str, Stack]) -> None:
    assert check(stacks, zoom=...).zoom == 0


def test_checked__coarser_level(stacks: dict[str, Stack]) -> None:
    region = check(stacks, zoom=1)
    assert region.shape == (4, 11, 9)
    assert (region.window.x0, region.window.x1) == (1, 10)


RANGES = [
    ([-1, 5], "begins outside of the stack, below 0"),
    ([-5, -1], "begins outside of the stack, below 0"),
    ([2, 2], "has no extent along"),
    ([0, 0], "has no extent along"),
    ([4, 3], "ends before it begins"),
    ([0, 99], "ends outside of the stack, which has"),
    ([98, 99], "ends outside of the stack, which has"),
    ([0, 10**5000], "ends outside of the stack, which has"),
    ([0.0, 3.0], "must be two whole numbers"),
    ([0, 2.5], "must be two whole numbers"),
    ([0, float("nan")], "must be two whole numbers"),
    ([0, float("inf")], "must be two whole numbers"),
    (["0", "3"], "must be two whole numbers"),
    ([True, 3], "must be two whole numbers"),
    ([None, 3], "must be two whole numbers"),
    ([0, 1, 2], "must be two whole numbers"),
    ([3], "must be two whole numbers"),
    (3, "must be two whole numbers"),
    ({"0": 0, "1": 3}, "must be two whole numbers"),
    ("03", "must be two whole numbers"),
    (..., "must be two whole numbers"),
]


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize(("value", "words"), RANGES)
def test_checked__bad_range(stacks: dict[str, Stack], axis: str, value: Any, words: str) -> None:
    with pytest.raises(RegionError) as caught:
        check(stacks, **{axis: value})
    assert words in str(caught.value)
    assert axis in str(caught.value)
    assert caught.value.field == axis
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("axis", "size"), [("x", 37), ("y", 23), ("z", 5)])
def test_checked__one_too_far(stacks: dict[str, Stack], axis: str, size: int) -> None:
    whole: Any = {axis: [0, size]}
    beyond: Any = {axis: [0, size + 1]}
    check(stacks, **whole)
    with pytest.raises(RegionError, match="ends outside of the stack"):
        check(stacks, **beyond)


@pytest.mark.parametrize("zoom", [-1, 3, 99, 0.0, 1.5, "1", True, None, [0], float("nan")])
def test_checked__bad_zoom(stacks: dict[str, Stack], zoom: Any) -> None:
    with pytest.raises(RegionError, match="zoom level must be a whole number from 0 to 2") as caught:
        check(stacks, zoom=zoom)
    assert caught.value.field == "zoom"


@pytest.mark.parametrize("name", ["", "other", "Tissue", "../tissue", None, 3, ["tissue"], {}, ...])
def test_checked__unknown_stack(stacks: dict[str, Stack], name: Any) -> None:
    with pytest.raises(RegionError, match="no such image stack") as caught:
        check(stacks, stack=name)
    assert caught.value.field == "stack"


@pytest.mark.parametrize("request_", [None, [], "x", 3])
def test_checked__no_object(stacks: dict[str, Stack], request_: Any) -> None:
    with pytest.raises(RegionError, match="must be a JSON object"):
        Region.checked(request_, stacks, bytes_max=10**9)


def test_checked__too_large(stacks: dict[str, Stack]) -> None:
    size = 4 * 23 * 17
    assert check(stacks, bytes_max=size).size_bytes == size
    with pytest.raises(RegionError, match=r"too large: 17 × 23 × 4 pixels") as caught:
        check(stacks, bytes_max=size - 1)
    assert caught.value.field == "size"


def test_checked__a_coarser_level_of_what_is_too_large(stacks: dict[str, Stack]) -> None:
    assert check(stacks, bytes_max=500, zoom=1).size_bytes == 4 * 11 * 9


def test_checked__beyond_what_a_tiff_file_can_hold() -> None:
    source = kit.ArraySource(kit.volume())
    stacks = {"tissue": kit.stack(source, dtype="uint16", shape=(1000, 2000, 2000))}
    with pytest.raises(RegionError, match="too large"):
        check(stacks, bytes_max=10**15, x=[0, 2000], y=[0, 2000], z=[0, 1000])
    assert FILE_BYTES_MAX < 2**32


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    request_=st.dictionaries(st.sampled_from(["stack", "x", "y", "z", "zoom", "more"]), json_values | st.just("tissue"))
    | json_values
)
def test_checked__whatever_comes_is_refused_in_words_or_within_the_stack(request_: Any) -> None:
    stack = kit.stack(kit.ArraySource(kit.volume()))
    try:
        region = Region.checked(request_, {"tissue": stack}, bytes_max=10**9)
    except RegionError:
        return
    for (first, end), size in zip((region.z, region.y, region.x), stack.shape, strict=True):
        assert 0 <= first < end <= size


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 kB"), (62_700, "63 kB"), (1_540_000, "1.5 MB"), (100_000_000, "100 MB"), (4_228_000_000, "4,228 MB")],
)
def test_megabytes(count: int, text: str) -> None:
    assert megabytes(count) == text
