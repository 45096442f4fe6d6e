"""Splitting of iterables into lists of bounded size, for SQL statements. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items, the last one shorter. Reads the iterable lazily, one list at a time."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
