"""Flex attention: its roles are known and its logits are read, or the report gives the reason.

Torch rejects its backward pass on a CPU, although it works: that check is disabled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import flex_attention as flex

import inithealth
from inithealth.record.layers.naming import Naming
from inithealth.record.saved.attention import Sharpness, sharpness
from tests.record import reading
from tests.record.reading import Written, flow_behind, operation_of, squares

HEADS, WIDTH, TOKENS = 4, 16, 12
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture(autouse=True)
def backward_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(flex, "_validate_device", lambda *_: None)
    monkeypatch.setattr(flex, "_warn_once", lambda **_: None)  # a warning that it is slow unless compiled
    with torch.compiler.set_stance("force_eager"):
        yield


def flexible(**options: Any) -> Attention:
    return lambda q, k, v: flex.flex_attention(q, k, v, **options)


def fused(**options: Any) -> Attention:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)


def net(attention: Attention, gain: float = 2.0, key_heads: int = HEADS) -> Written:
    torch.manual_seed(0)
    narrow = WIDTH // HEADS * key_heads
    layers = {"q": nn.Linear(WIDTH, WIDTH), "k": nn.Linear(WIDTH, narrow), "v": nn.Linear(WIDTH, narrow)}
    for name in "qk":
        nn.init.normal_(layers[name].weight, std=gain * WIDTH**-0.5)

    def forward(self: Any, x: Tensor) -> Tensor:
        split = (layer(x).unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        return self.o(attention(*split).transpose(1, 2).flatten(2))

    return Written(forward, **layers, o=nn.Linear(WIDTH, WIDTH))


def tokens() -> Tensor:
    return torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


def sharp(model: nn.Module) -> Sharpness:
    flow = flow_behind(model, squares(model(tokens())))
    return sharpness(flow, Naming(model).layers(flow))


def causal(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
    return q >= k


def block_mask(mask: Callable[..., Tensor]) -> flex.BlockMask:
    return flex.create_block_mask(mask, None, None, TOKENS, TOKENS, device="cpu")


MASK = torch.ones(TOKENS, TOKENS).tril().bool()
TABLE = torch.randn(HEADS, TOKENS, TOKENS, generator=torch.Generator().manual_seed(2)) * 3
HIDDEN = torch.where(torch.rand(TOKENS, generator=torch.Generator().manual_seed(3)) < 0.3, -1e9, 0.0)
TWINS: dict[str, tuple[Attention, Attention]] = {
    "as it is": (flexible(), fused()),
    "scale": (flexible(scale=0.9), fused(scale=0.9)),
    "a block mask": (flexible(block_mask=block_mask(causal)), fused(is_causal=True)),
    "a mask in the scores": (
        flexible(score_mod=lambda s, b, h, q, k: torch.where(q >= k, s, -torch.inf)),
        fused(attn_mask=MASK),
    ),
    "a mask that is added": (
        flexible(score_mod=lambda s, b, h, q, k: s + HIDDEN[k]),
        fused(attn_mask=HIDDEN.expand(TOKENS, TOKENS)),
    ),
}


@pytest.mark.parametrize("gain", [1.0, 4.0])
@pytest.mark.parametrize("name", TWINS)
def test_its_logits_equal_those_of_composed_attention(name: str, gain: float) -> None:
    found, twin = (sharp(net(attention, gain)) for attention in TWINS[name])
    assert set(found.readings) == {"q", "k"}
    assert found.readings["q"] == pytest.approx(twin.readings["q"], rel=1e-4)
    assert not found.unread


def test_a_soft_cap_bounds_the_logits() -> None:
    model = net(flexible(score_mod=lambda s, b, h, q, k: 2.0 * torch.tanh(s / 2.0)), gain=6.0)
    q, k = (layer(tokens()).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in (model.q, model.k))
    logits = 2.0 * (q @ k.mT * q.shape[-1] ** -0.5 / 2.0).tanh()
    spread = float(logits.var(-1, unbiased=False).mean().sqrt().detach())
    assert sharp(model).readings["q"][0] == pytest.approx(spread, rel=0.05)
    assert sharp(model).readings["q"][2] == TOKENS


def test_a_bias_per_head_is_part_of_the_logits() -> None:
    """As in a composed attention."""
    found = sharp(net(flexible(score_mod=lambda s, b, h, q, k: s + TABLE[h, q, k])))
    written = sharp(net(lambda q, k, v: (q @ k.mT * q.shape[-1] ** -0.5 + TABLE).softmax(-1) @ v))
    assert found.readings["q"] == pytest.approx(written.readings["q"], rel=1e-4)


def test_query_heads_that_share_one_key_head() -> None:
    found = sharp(net(flexible(enable_gqa=True), key_heads=2))
    twin = sharp(net(fused(enable_gqa=True), key_heads=2))
    assert found.readings["q"] == pytest.approx(twin.readings["q"], rel=1e-4)


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("place", ["score", "mask"])
def test_functions_traced_by_torch(place: str) -> None:
    """Without ``force_eager`` flex attention traces its functions; captured values become arguments."""
    limit = torch.full((HEADS,), 5)
    options: dict[str, Any] = (
        {"score_mod": lambda s, b, h, q, k: s + TABLE[h, q, k]}
        if place == "score"
        else {"block_mask": flex.create_block_mask(lambda b, h, q, k: k < limit[h], 2, HEADS, TOKENS, TOKENS, "cpu")}
    )
    plain = sharp(net(flexible(**options)))
    with torch.compiler.set_stance("default"):
        traced = sharp(net(flexible(**options)))
    assert traced.readings["q"] == pytest.approx(plain.readings["q"], rel=1e-4)


def test_query_key_and_value_are_known() -> None:
    model = net(flexible())
    flow = flow_behind(model, squares(model(tokens())))
    met = {name: flow.meets[operation_of(flow, f"{name}.weight").node] for name in "qkv"}
    assert {name: [(target.what, target.name) for target in each] for name, each in met.items()} == {
        name: [("attention", name)] for name in "qkv"
    }


def test_layers_around_it_are_described_as_for_fused_attention() -> None:
    layers, twin = (reading.read(net(way()), tokens()).layers for way in (flexible, fused))
    assert {name: (each.feeds, each.scores_only, each.head) for name, each in layers.items()} == {
        name: (each.feeds, each.scores_only, each.head) for name, each in twin.items()
    }


def test_sharp_attention_is_found_in_a_check() -> None:
    report = inithealth.check(net(flexible(), gain=12.0), tokens())
    assert "IH209" in {finding.code for finding in report.findings}
    assert not report.not_measured


def test_unreadable_logits_are_reported() -> None:
    fails: list[str] = []

    def odd(s: Tensor, b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        if fails:
            raise RuntimeError(fails.pop())
        return s

    model = net(flexible(score_mod=odd))
    model.o.register_forward_hook(lambda *_: fails.append("mine"))  # fails after the attention
    report = inithealth.check(model, tokens())
    assert not fails
    assert "the logits of the attention that q feeds: RuntimeError: mine" in report.not_measured
