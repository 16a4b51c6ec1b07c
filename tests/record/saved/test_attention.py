"""The sharpness of attention, compared with logits computed for every query; and other operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.layers.naming import Naming
from inithealth.record.saved.attention import sharpness
from tests.record.reading import Written, flow_behind, squares
from tests.record.saved.attentions import (
    CAUSAL,
    HEADS,
    TOKENS,
    WIDTH,
    attention,
    by_hand,
    composed,
    fused,
    read,
    split,
    tokens,
)


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("bhqd,bhkd->bhqk", q * q.shape[-1] ** -0.5, k)
    return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v)


def by_baddbmm(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (each.flatten(0, 1) for each in (q, k, v))
    scores = torch.baddbmm(torch.zeros(1), q, k.transpose(1, 2), beta=0.0, alpha=q.shape[-1] ** -0.5)
    return (scores.softmax(-1) @ v).unflatten(0, (-1, HEADS))


FULL: dict[str, Callable[..., Tensor]] = {
    "fused": fused,
    "fused with a mask": lambda q, k, v: fused(q, k, v, attn_mask=torch.ones(TOKENS, TOKENS).bool()),
    "composed": composed(lambda scores: scores),
    "composed with a bias": composed(lambda scores: scores + torch.zeros(TOKENS, requires_grad=True)),
    "einsum": by_einsum,
    "baddbmm": by_baddbmm,
}
MASKED: dict[str, Callable[..., Tensor]] = {
    "is_causal": lambda q, k, v: fused(q, k, v, is_causal=True),
    "mask": lambda q, k, v: fused(q, k, v, attn_mask=CAUSAL),
    "mask of numbers": lambda q, k, v: fused(q, k, v, attn_mask=torch.where(CAUSAL, 0.0, -1e9)),
    "masked_fill": composed(lambda scores: scores.masked_fill(~CAUSAL, -math.inf)),
    "where": composed(lambda scores: torch.where(CAUSAL, scores, torch.finfo(scores.dtype).min)),
    "plus -100": composed(lambda scores: scores + torch.where(CAUSAL, 0.0, -100.0)),
}


@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("way", FULL)
def test_every_way_of_writing_gives_the_logits(way: str, gain: float) -> None:
    model, x = attention(FULL[way], gain), tokens()
    found = read(model, x)
    assert set(found) == {"q", "k"}
    assert found["q"] == found["k"] == pytest.approx(by_hand(model, x), rel=0.25)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("way", MASKED)
def test_masked_keys_do_not_count(way: str, gain: float) -> None:
    model, x = attention(MASKED[way], gain), tokens()
    std, top, keys = read(model, x)["q"]
    right = by_hand(model, x, CAUSAL)
    assert (std, top) == pytest.approx(right[:2], rel=0.25)
    assert abs(keys - right[2]) <= 1


def test_small_tensors_are_not_sampled() -> None:
    """There are twelve heads in the batch and eight queries, so nothing is left to chance."""
    for way in (fused, FULL["composed"]):
        model, x = attention(way), tokens(6, 8)
        q, k = split(model.q(x)), split(model.k(x))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(WIDTH / HEADS)).detach()
        std, top, keys = read(model, x)["q"]
        assert std == pytest.approx(float(scores.var(-1, unbiased=False).mean().sqrt()), rel=1e-4)
        assert top == pytest.approx(float(scores.softmax(-1).amax(-1).mean()), rel=1e-4)
        assert keys == 8


@pytest.mark.parametrize("way", ["fused", "composed"])
def test_logits_that_select_a_single_key_are_still_reported(way: str) -> None:
    model, x = attention(FULL[way], gain=30.0), tokens()
    std, top, keys = read(model, x)["q"]
    assert std == pytest.approx(by_hand(model, x)[0], rel=0.25)
    assert std > 300
    assert top > 0.95
    assert keys == TOKENS


@pytest.mark.parametrize("way", ["fused", "composed"])
def test_few_keys_are_not_judged(way: str) -> None:
    model = attention(fused if way == "fused" else composed(lambda scores: scores))
    assert read(model, tokens(length=3)) == {}
    assert read(model, tokens(length=1)) == {}


def test_the_sharpest_of_several_uses_is_reported() -> None:
    torch.manual_seed(0)
    project, last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self: Any, x: Tensor) -> Tensor:
        def attend(x: Tensor, scale: float) -> Tensor:
            return fused(*(split(self.p(x)) for _ in range(3)), scale=scale).transpose(1, 2).flatten(2)

        return self.o(attend(x, 0.1) + attend(x, 1.0))

    shared = read(Written(forward, p=project, o=last), tokens())["p"]
    alone = Written(lambda self, x: fused(*(split(self.p(x)) for _ in range(3)), scale=1.0), p=project)
    assert shared == pytest.approx(read(alone, tokens())["p"], rel=1e-3)


def test_freed_tensors_give_no_reading() -> None:
    """After the backward pass the saved tensors are freed."""
    for way in ("fused", "composed"):
        model, x = attention(FULL[way]), tokens()
        loss = squares(model(x))
        flow = flow_behind(model, loss)
        loss.backward()  # type: ignore[no-untyped-call]
        assert sharpness(flow, Naming(model).layers(flow)).readings == {}


def test_broken_logits_give_no_reading() -> None:
    for way in ("fused", "composed"):
        model = attention(FULL[way])
        with torch.no_grad():
            model.q.weight.fill_(math.nan)
        assert read(model, tokens()) == {}
