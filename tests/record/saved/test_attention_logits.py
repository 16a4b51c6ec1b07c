"""The sharpness of an attention on some of its queries."""

from __future__ import annotations

import math

import pytest
import torch

from inithealth.record.saved.attention_logits import MASKED, products_of, summary, taken


def test_the_std_the_largest_weights_and_the_keys() -> None:
    logits = torch.randn(3, 5, 8)
    found = summary(logits, logits.softmax(-1), torch.ones(3, 5, 8, dtype=torch.bool))
    assert found is not None
    assert found[0] == pytest.approx(float(logits.var(-1, unbiased=False).mean().sqrt()), rel=1e-5)
    assert found[1] == pytest.approx(float(logits.softmax(-1).amax(-1).mean()), rel=1e-5)
    assert found[2] == 8


def test_hidden_keys_do_not_count() -> None:
    logits, visible = torch.randn(1, 4, 8), torch.ones(1, 4, 8, dtype=torch.bool)
    visible[..., 5:] = False
    loud = logits.masked_fill(~visible, -1e9)
    found = summary(loud, loud.softmax(-1), visible)
    assert found is not None
    assert found[0] == pytest.approx(float(logits[..., :5].var(-1, unbiased=False).mean().sqrt()), rel=1e-5)
    assert found[2] == 5


@pytest.mark.parametrize(("keys", "read"), [(3, False), (4, True)])
def test_few_keys_give_no_reading(keys: int, read: bool) -> None:
    logits, visible = torch.randn(1, 4, 8), torch.zeros(1, 4, 8, dtype=torch.bool)
    visible[..., :keys] = True
    assert (summary(logits, logits.softmax(-1), visible) is not None) is read
    visible[0, 0] = True  # one query that can attend to all of them
    found = summary(logits, logits.softmax(-1), visible)
    assert found is not None
    assert found[2] == (keys if read else 8)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_logits_give_no_reading(bad: float) -> None:
    logits = torch.full((1, 4, 8), bad)
    assert summary(logits, torch.ones(1, 4, 8) / 8, torch.ones(1, 4, 8, dtype=torch.bool)) is None


@pytest.mark.parametrize(
    ("heads", "queries", "products", "expected"),
    [
        (2, 3, 10, ([0, 1], [0, 1, 2])),
        (1, 8, 10, ([0], list(range(8)))),
        (1, 16, 10, ([0], [1, 3, 5, 7, 9, 11, 13, 15])),
        (1, 17, 10, ([0], list(range(0, 17, 2)))),
        (13, 1, 10, ([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12], [0])),
        (4, 8, 2**20, ([0], [7])),
        (4, 8, 2**19, ([0, 3], [7])),
        (4, 8, 2**30, ([0], [7])),
    ],
)
def test_sampled_heads_and_queries_are_spread_and_include_the_last_query(
    heads: int, queries: int, products: int, expected: tuple[list[int], list[int]]
) -> None:
    some, rows = taken(heads, queries, products)
    assert (some.tolist(), list(range(queries))[rows]) == expected


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_products_are_those_of_queries_and_keys(lead: tuple[int, ...]) -> None:
    query, key = torch.randn(*lead, 5, 4), torch.randn(*lead, 7, 4)
    found = products_of(query, key, 0.5)
    right = (query @ key.mT * 0.5).reshape(-1, 5, 7)[:, found.rows]
    assert torch.allclose(found.logits.reshape(right.shape), right)


def test_several_query_heads_share_one_key_head() -> None:
    query, key = torch.randn(1, 4, 5, 3), torch.randn(1, 2, 5, 3)
    right = query @ key.repeat_interleave(2, 1).mT
    assert torch.allclose(products_of(query, key, 1.0).logits, right[0])


def test_a_mask_is_lower_than_any_bias() -> None:
    assert math.exp(-MASKED) < 1e-12
