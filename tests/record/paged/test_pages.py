"""Pages have their values when they are read, and use no memory otherwise."""

from __future__ import annotations

import sys

import pytest
import torch

from inithealth.record.paged.address_space import Region, refuse_platform, resident_bytes
from inithealth.record.paged.pages import Page, maker, stop
from tests.record.paged.paging import PIECES, Copied

SIZE = 2**24  # bytes


def values(region: Region) -> torch.Tensor:
    return torch.empty(0).set_(region.storage, 0, (region.nbytes // 4,))


def test_memory_is_used_from_the_first_write_until_it_is_dropped() -> None:
    before, region = resident_bytes(), Region(SIZE)
    assert resident_bytes() - before < SIZE // 4
    values(region).fill_(1.0)
    assert resident_bytes() - before > SIZE // 2
    address = values(region).data_ptr()
    region.drop()
    assert resident_bytes() - before < SIZE // 4
    assert not values(region).any()
    assert values(region).data_ptr() == address


def test_a_region_takes_the_memory_of_another_one() -> None:
    one, other = Region(SIZE), Region(SIZE)
    values(one).fill_(1.0)
    address, before = values(other).data_ptr(), resident_bytes()
    if not other.take(one):
        pytest.skip("the kernel does not move memory")
    assert resident_bytes() - before < SIZE // 4
    assert bool((values(other) == 1.0).all())
    assert values(other).data_ptr() == address
    assert not values(one).any()
    assert not other.take(Region(SIZE // 2))


def test_a_page_is_filled_by_several_threads_once() -> None:
    threads, expected = maker(), torch.randn(1000)
    recipe = Copied(expected)
    page = Page("weight", Region(4000), recipe)
    try:
        page.start(threads)
        page.start(threads)
        page.wait()
        assert torch.equal(values(page.region), expected)
        assert recipe.fills == PIECES
    finally:
        stop(threads)


def test_updates_follow_every_filling() -> None:
    threads, page = maker(), Page("weight", Region(400), Copied(torch.ones(100)))
    page.updates.append(lambda: values(page.region).add_(1.0))
    try:
        for _ in range(2):
            page.start(threads)
            page.wait()
            assert bool((values(page.region) == 2.0).all())
            page.drop()
    finally:
        stop(threads)


def test_the_error_of_a_recipe_is_raised_by_the_reader() -> None:
    class Broken(Copied):
        def fill(self, storage: torch.UntypedStorage, piece: int | None = None) -> None:
            raise OSError("the disk is gone")

    threads, page = maker(), Page("weight", Region(400), Broken(torch.ones(100)))
    try:
        page.start(threads)
        with pytest.raises(OSError, match="the disk is gone"):
            page.wait()
    finally:
        stop(threads)


def test_other_platforms_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ValueError, match="memory= needs Linux, this is win32"):
        refuse_platform()
