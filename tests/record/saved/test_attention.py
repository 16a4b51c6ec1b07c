"""How sharp attention is, against logits written out for every query; and what is no attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.layers.naming import Naming
from inithealth.record.saved.attention import sharpness
from tests.record.reading import Written, flow_behind, squares

HEADS, WIDTH, TOKENS = 2, 16, 10
CAUSAL = torch.ones(TOKENS, TOKENS).tril().bool()


def tokens(batch: int = 2, length: int = TOKENS, seed: int = 0) -> Tensor:
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def split(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def fused(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, **options)


def composed(hide: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda q, k, v: hide(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("bhqd,bhkd->bhqk", q * q.shape[-1] ** -0.5, k)
    return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v)


def by_baddbmm(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (each.flatten(0, 1) for each in (q, k, v))
    scores = torch.baddbmm(torch.zeros(1), q, k.transpose(1, 2), beta=0.0, alpha=q.shape[-1] ** -0.5)
    return (scores.softmax(-1) @ v).unflatten(0, (-1, HEADS))


def attention(way: Callable[..., Tensor] = fused, gain: float = 1.0, **parts: Any) -> Written:
    """Queries, keys and values of the input, each by a layer of its own; ``gain`` is that of queries and keys."""
    torch.manual_seed(0)
    layers = {name: nn.Linear(WIDTH, WIDTH) for name in "qkvo"}
    for name in "qk":
        nn.init.normal_(layers[name].weight, std=gain * WIDTH**-0.5)

    def forward(self: Any, x: Tensor) -> Tensor:
        q, k, v = (split(layer(x)) for layer in (self.q, self.k, self.v))
        return self.o(way(q, k, v).transpose(1, 2).flatten(2))

    return Written(forward, **layers, **parts)


def read(model: nn.Module, *args: Any) -> dict[str, tuple[float, float, int]]:
    flow = flow_behind(model, squares(model(*args)))
    return sharpness(flow, Naming(model).layers(flow)).readings


def by_hand(model: Any, x: Tensor, visible: Tensor | None = None, fewest: int = 4) -> tuple[float, float, int]:
    """The same from every query."""
    q, k = split(model.q(x)), split(model.k(x))
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).detach()
    visible = torch.ones(TOKENS, TOKENS, dtype=torch.bool) if visible is None else visible
    variances, tops, counts = [], [], []
    for row, seen in zip(scores.flatten(0, 2), visible.expand(scores.shape).flatten(0, 2), strict=True):
        logits = row[seen].tolist()
        if len(logits) < fewest:
            continue
        mean, most = sum(logits) / len(logits), max(logits)
        variances.append(sum((each - mean) ** 2 for each in logits) / len(logits))
        tops.append(1 / sum(math.exp(each - most) for each in logits))
        counts.append(len(logits))
    return math.sqrt(sum(variances) / len(variances)), sum(tops) / len(tops), sorted(counts)[(len(counts) - 1) // 2]


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
def test_every_way_of_writing_it_gives_the_logits(way: str, gain: float) -> None:
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


def test_of_small_tensors_every_query_counts() -> None:
    """Twelve heads of the batch, eight queries: nothing is left to chance."""
    for way in (fused, FULL["composed"]):
        model, x = attention(way), tokens(6, 8)
        q, k = split(model.q(x)), split(model.k(x))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(WIDTH / HEADS)).detach()
        std, top, keys = read(model, x)["q"]
        assert std == pytest.approx(float(scores.var(-1, unbiased=False).mean().sqrt()), rel=1e-4)
        assert top == pytest.approx(float(scores.softmax(-1).amax(-1).mean()), rel=1e-4)
        assert keys == 8


@pytest.mark.parametrize("way", ["fused", "composed"])
def test_logits_that_leave_nothing_but_one_key_are_still_told(way: str) -> None:
    model, x = attention(FULL[way], gain=30.0), tokens()
    std, top, keys = read(model, x)["q"]
    assert std == pytest.approx(by_hand(model, x)[0], rel=0.25)
    assert std > 300
    assert top > 0.95
    assert keys == TOKENS


def test_padding_is_not_seen() -> None:
    padded = torch.zeros(2, TOKENS, dtype=torch.bool)
    padded[:, 6:] = True
    torch.manual_seed(0)
    packed = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    model = Written(lambda self, x: self.a(x, x, x, key_padding_mask=padded)[0], a=packed)
    found = read(model, tokens())
    assert [keys for _, _, keys in found.values()] == [6]


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_packed_projection_makes_queries_and_keys(need_weights: bool) -> None:
    torch.manual_seed(0)
    packed = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    model = Written(lambda self, x: self.a(x, x, x, need_weights=need_weights)[0], a=packed)
    x = tokens()
    q, k, _ = F.linear(x, packed.in_proj_weight, packed.in_proj_bias).detach().chunk(3, -1)
    scores = split(q) @ split(k).transpose(-2, -1) / math.sqrt(WIDTH / HEADS)
    (found,) = read(model, x).values()
    assert found[0] == pytest.approx(float(scores.var(-1, unbiased=False).mean().sqrt()), rel=0.25)


def test_heads_that_share_their_keys() -> None:
    torch.manual_seed(0)
    layers = {"q": nn.Linear(WIDTH, WIDTH), "k": nn.Linear(WIDTH, 4), "v": nn.Linear(WIDTH, 4)}

    def forward(self: Any, x: Tensor) -> Tensor:
        q = self.q(x).unflatten(-1, (4, 4)).transpose(1, 2)
        return fused(q, self.k(x)[:, None], self.v(x)[:, None], enable_gqa=True)

    model, x = Written(forward, **layers), tokens()
    scores = model.q(x).unflatten(-1, (4, 4)).transpose(1, 2) @ model.k(x)[:, None].transpose(-2, -1) / 2
    spread = float(scores.detach().var(-1, unbiased=False).mean().sqrt())
    assert read(model, x)["k"][0] == pytest.approx(spread, rel=0.25)


def test_a_learned_temperature_and_a_rotation_are_looked_through() -> None:
    """Cosine attention: the logits are ten times a cosine, and of each head its own."""
    temperature = nn.Parameter(torch.full((HEADS, 1, 1), 10.0))
    turn = torch.tensor([1.0, -1.0] * (WIDTH // HEADS // 2))

    def way(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = (F.normalize(each * 0.6 + each.roll(1, -1) * 0.8 * turn, dim=-1) for each in (q, k))
        return ((q @ k.transpose(-2, -1)) * temperature).softmax(-1) @ v

    model = attention(way, temperature=temperature)
    std, _, keys = read(model, tokens())["k"]
    assert std == pytest.approx(10 / math.sqrt(WIDTH / HEADS), rel=0.4)
    assert keys == TOKENS


def test_what_is_no_attention() -> None:
    """Gates, routers, a softmax over classes, talking heads: no product of two signals is weighed."""
    torch.manual_seed(0)
    router = Written(lambda self, x: self.gate(x).softmax(-1) * x, gate=nn.Linear(WIDTH, WIDTH))
    gates = Written(lambda self, x: (self.a(x) * self.b(x)).softmax(-1), a=nn.Linear(16, 16), b=nn.Linear(16, 16))
    pooled = Written(lambda self, x: (x @ self.query).softmax(1)[..., None] * x, query=nn.Parameter(torch.ones(WIDTH)))
    for model in (router, gates, pooled):
        assert read(model, tokens()) == {}


@pytest.mark.parametrize("way", ["fused", "composed"])
def test_few_keys_say_nothing(way: str) -> None:
    model = attention(fused if way == "fused" else composed(lambda scores: scores))
    assert read(model, tokens(length=3)) == {}
    assert read(model, tokens(length=1)) == {}


def test_the_sharpest_of_several_uses_is_told() -> None:
    torch.manual_seed(0)
    project, last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self: Any, x: Tensor) -> Tensor:
        def attend(x: Tensor, scale: float) -> Tensor:
            return fused(*(split(self.p(x)) for _ in range(3)), scale=scale).transpose(1, 2).flatten(2)

        return self.o(attend(x, 0.1) + attend(x, 1.0))

    shared = read(Written(forward, p=project, o=last), tokens())["p"]
    alone = Written(lambda self, x: fused(*(split(self.p(x)) for _ in range(3)), scale=1.0), p=project)
    assert shared == pytest.approx(read(alone, tokens())["p"], rel=1e-3)


def test_what_is_gone_is_not_made_up() -> None:
    """After the backward pass the saved tensors are freed."""
    for way in ("fused", "composed"):
        model, x = attention(FULL[way]), tokens()
        loss = squares(model(x))
        flow = flow_behind(model, loss)
        loss.backward()  # type: ignore[no-untyped-call]
        assert sharpness(flow, Naming(model).layers(flow)).readings == {}


def test_broken_logits_are_no_reading() -> None:
    for way in ("fused", "composed"):
        model = attention(FULL[way])
        with torch.no_grad():
            model.q.weight.fill_(math.nan)
        assert read(model, tokens()) == {}
