"""Cuts what may be long into pieces that a statement can hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of ``size``, the last one shorter; takes no more of them than it has yielded."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
