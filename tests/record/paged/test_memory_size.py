"""Amounts of memory: units, and text that is none."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.record.paged.memory_size import bytes_of, text_of


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("1B", 1),
        ("8GB", 8 * 10**9),
        ("8 GiB", 8 * 2**30),
        (" 500mb ", 500 * 10**6),
        ("1.5kB", 1500),
        ("7.5GiB", 15 * 2**29),
        ("2TB", 2 * 10**12),
        ("2 TiB", 2 * 2**40),
    ],
)
def test_an_amount_of_memory(size: int | str, count: int) -> None:
    assert bytes_of(size) == count


@pytest.mark.parametrize("size", ["", "GB", "8 apples", "8G", "8GB 2MB", "8,5GB", "nan", "1e9", "٨GB", 8.0, True, None])
def test_text_that_is_no_amount_is_rejected(size: Any) -> None:
    with pytest.raises(ValueError, match=r"is not an amount of memory: write it as 8GB, 500MB or 7\.5GiB"):
        bytes_of(size)


@pytest.mark.parametrize("size", [0, -1, "0", "0GB", "0.4B"])
def test_no_memory_is_rejected(size: int | str) -> None:
    with pytest.raises(ValueError, match="must be at least 1 byte"):
        bytes_of(size)


def test_a_negative_amount_is_rejected() -> None:
    with pytest.raises(ValueError, match="'-8GB' is not an amount"):
        bytes_of("-8GB")


@pytest.mark.parametrize(("nbytes", "text"), [(8, "8 B"), (10**6, "1 MB"), (10_500_000_000, "10.5 GB"), (2e12, "2 TB")])
def test_an_amount_as_text(nbytes: int, text: str) -> None:
    assert text_of(nbytes) == text
