"""Copies of iterators continue where the original is, and leave it there."""

from __future__ import annotations

import io
from itertools import islice
from typing import Any

import pytest

from inithealth.record.sandbox.iterators import copied, is_iterator
from tests.hostile.situations import ITERATORS


@pytest.mark.parametrize("name", ITERATORS)
def test_a_copy_yields_what_the_original_would(name: str) -> None:
    original, twin = ITERATORS[name](), ITERATORS[name]()
    next(original), next(twin)
    assert is_iterator(original)
    assert list(islice(copied(original), 5)) == list(islice(twin, 5))
    assert list(islice(original, 5)) == list(islice(islice(ITERATORS[name](), 1, None), 5))


def test_the_items_are_not_copied() -> None:
    item: list[Any] = []
    assert next(copied(iter([item]))) is item


def test_an_exhausted_iterator_stays_exhausted() -> None:
    original = iter([1])
    next(original)
    assert list(copied(original)) == []
    assert list(original) == []


@pytest.mark.parametrize("make", [lambda: (i for i in [1]), lambda: zip((i for i in [1]), [1], strict=True)])
def test_generators_cannot_be_copied(make: Any) -> None:
    with pytest.raises(TypeError, match="a generator cannot be copied"):
        copied(make())


def test_files_and_containers_are_no_iterators() -> None:
    assert not any(map(is_iterator, ([1], {}, "text", io.StringIO("a"), range(3))))
