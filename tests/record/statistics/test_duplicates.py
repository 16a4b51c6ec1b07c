"""Duplicate units, compared with all pairs; fingerprints."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inithealth.record.statistics import duplicates
from inithealth.record.statistics.duplicates import first_equal, summary, unit_keys
from tests.record import twins
from tests.record.odd import DTYPES, units


@given(units())
def test_first_equal_agrees_with_all_pairs(drawn: tuple[Tensor, Tensor | None, int]) -> None:
    rows, bias, groups = drawn
    wanted = twins.first_equal(twins.lists(rows), None if bias is None else bias.tolist(), groups)
    assert first_equal(rows, bias, groups).tolist() == wanted


@given(units(), st.randoms(use_true_random=False))
def test_the_order_of_the_inputs_does_not_matter(drawn: tuple[Tensor, Tensor | None, int], random: object) -> None:
    rows, bias, groups = drawn
    order = torch.randperm(rows.shape[1])
    assert first_equal(rows[:, order], bias, groups).tolist() == first_equal(rows, bias, groups).tolist()


def test_units_that_differ_only_between_the_probed_columns_are_not_duplicates() -> None:
    rows = torch.ones(4, 64)
    rows[1, 1], rows[2, 63] = 2.0, 2.0
    assert first_equal(rows).tolist() == [0, 1, 2, 0]


def test_a_bias_belongs_to_its_unit_unless_its_length_differs() -> None:
    rows = torch.ones(3, 2)
    assert first_equal(rows, torch.tensor([0.0, 1.0, 0.0])).tolist() == [0, 1, 0]
    assert first_equal(rows, torch.tensor([0.0, 1.0])).tolist() == [0, 0, 0]


def test_units_of_different_groups_are_not_duplicates() -> None:
    rows = torch.ones(4, 9)
    assert first_equal(rows, groups=2).tolist() == [0, 0, 2, 2]
    assert first_equal(rows, groups=4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_groups_are_separate_in_any_precision(dtype: torch.dtype) -> None:
    """bfloat16 cannot represent 257, float16 cannot represent 2049."""
    rows = torch.ones(4200, 3, dtype=dtype)
    assert first_equal(rows, groups=2100).tolist() == [unit - unit % 2 for unit in range(4200)]


def test_units_with_permuted_elements_are_not_duplicates() -> None:
    assert first_equal(torch.eye(40)).tolist() == list(range(40))
    row = torch.randn(64)
    turned = torch.stack([row.roll(2 * place) for place in range(32)])
    assert first_equal(turned).tolist() == list(range(32))


def test_different_units_with_equal_sums_are_not_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of bits select candidate pairs; the elements are compared."""
    monkeypatch.setattr(duplicates, "ordered_keys", lambda rows, some: torch.zeros(len(some), dtype=torch.int64))
    rows = torch.tensor([[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
    assert unit_keys(rows).unique().numel() == 1  # eight bytes are one word
    assert first_equal(rows).tolist() == [0, 1, 0]


@pytest.mark.parametrize("block", [1, 7, 2**20])
def test_the_block_size_does_not_matter(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    rows = torch.arange(40.0).reshape(20, 2)
    rows[13], rows[19] = rows[4], rows[4]
    monkeypatch.setattr(duplicates, "_BLOCK", block)
    expected = list(range(20))
    expected[13] = expected[19] = 4
    assert first_equal(rows).tolist() == expected


@pytest.mark.parametrize("many", [1, 2**16])
def test_a_key_for_each_unit_does_not_depend_on_the_memory_layout(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(duplicates, "_MANY", many)
    rows = torch.randn(6, 8)
    keys = unit_keys(rows)
    assert len(set(keys.tolist())) == 6
    assert torch.equal(unit_keys(rows.double()[:, torch.randperm(8)]), unit_keys(rows.double()))
    mark, differ = summary((6, 8), keys)
    assert differ
    assert 0 <= mark < 2**53
    assert summary((8, 6), keys)[0] != mark
    assert summary((6, 8), keys.flip(0))[0] != mark
    assert summary((6, 8), keys.clone()) == (mark, True)
    assert not summary((6, 8), keys[[0, 1, 2, 3, 4, 0]])[1]


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float8_e4m3fn])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 8])
def test_words_of_any_size_distinguish_units(dtype: torch.dtype, columns: int) -> None:
    rows = torch.arange(1.0, 3 * columns + 1).reshape(3, columns).to(dtype)
    wide = rows.float() if dtype.itemsize == 1 else rows
    twice = torch.cat([wide, wide])
    assert first_equal(twice).tolist() == [0, 1, 2, 0, 1, 2]


def test_fingerprints_of_many_weights_differ() -> None:
    assert len({summary((6, 8), unit_keys(torch.randn(6, 8)))[0] for _ in range(1000)}) == 1000


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_units_with_any_memory_layout(offset: int) -> None:
    memory = torch.randn(12 + offset)
    assert torch.equal(unit_keys(memory[offset:].view(3, 4)), unit_keys(memory[offset:].clone().view(3, 4)))
    memory = torch.zeros(12 + offset)
    rows = memory[offset:].view(3, 4)
    rows[1] = 1.0
    assert first_equal(rows).tolist() == [0, 1, 0]


def test_zeros_of_both_signs_are_equal() -> None:
    rows = torch.tensor([[0.0, 1.0], [-0.0, 1.0], [-0.0, 0.0], [0.0, 0.0]])
    assert first_equal(rows).tolist() == [0, 0, 2, 2]


def test_a_bias_distinguishes_units() -> None:
    rows = torch.ones(3, 2)
    assert first_equal(rows, torch.tensor([1j, 2j, 1j])).tolist() == [0, 1, 0]
    assert first_equal(rows, torch.tensor([1, 2, 1])).tolist() == [0, 0, 0]  # integers are not real values
