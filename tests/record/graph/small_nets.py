"""Networks of a few layers with explicit forward functions, and values read from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.flow import Flow
from inithealth.recording import Layer
from tests.record.reading import Written, read

X, SEQUENCES, IMAGES = torch.randn(5, 6), torch.randn(2, 3, 6), torch.randn(2, 3, 8, 8)
MEMORY = torch.randn(2, 4, 6)


def linear(*widths: int) -> nn.Linear:
    return nn.Linear(*(widths or (6, 6)))


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def between(function: Callable[[Tensor], Tensor], width: int = 6) -> Written:
    """Return two layers with a function between them."""
    return Written(lambda net, x: net.head(function(net.body(x))), body=linear(6, width), head=linear(6, 2))


def place(layer: Layer) -> tuple[object, ...]:
    return layer.feeds, layer.activation, layer.normed, layer.ends_branch, layer.bypassable, layer.head


def rms_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def layer_norm(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-1, -2) / 6**0.5).softmax(-1) @ v


ATTENTION: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "by hand": attend,
    "fused": lambda q, k, v: F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0],
    "masked": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(3, 3).tril().bool()),
    "causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "by baddbmm": lambda q, k, v: torch.baddbmm(torch.zeros(2, 3, 3), q, k.mT).softmax(-1).bmm(v),
    "by einsum": lambda q, k, v: torch.einsum("bts,bsd->btd", torch.einsum("btd,bsd->bts", q, k).softmax(-1), v),
}


def attention(attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Written:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.out(attend(net.q(x), net.k(x), net.v(x)))

    return Written(forward, stem=linear(), q=linear(), k=linear(), v=linear(), out=linear())


class Block(nn.Module):
    """The components of a transformer block, which can be combined in several ways."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(6, 2, batch_first=True)
        self.up, self.down = nn.Linear(6, 12), nn.Linear(12, 6)
        self.one, self.two, self.three = nn.LayerNorm(6), nn.LayerNorm(6), nn.LayerNorm(6)
        self.low, self.high, self.modulation = nn.Linear(6, 2), nn.Linear(2, 6), nn.Linear(6, 18)

    def attend(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.attention(x, x, x)[0])

    def mlp(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.down(self.up(x).relu()))


def pre_norm(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    x = x + b.attend(b.one(x))
    return x + b.mlp(b.two(x))


def network(way: Callable[[Block, Tensor, Tensor], Tensor], count: int = 3) -> Written:
    def forward(net: Any, x: Tensor, memory: Tensor) -> Tensor:
        x = net.stem(x)
        for block in net.blocks:
            x = way(block, x, memory)
        return cast(Tensor, net.head(x))

    blocks = nn.ModuleList(Block() for _ in range(count))
    return Written(forward, stem=nn.Linear(6, 6), blocks=blocks, head=nn.Linear(6, 2))


def flow(model: nn.Module, *args: Tensor) -> tuple[Flow, dict[str, Any]]:
    reading = read(model, *args)
    found = reading.flow
    assert found is not None
    return found, {name: layer for name, layer in reading.layers.items() if layer.called}


def small_net(forward: Callable[..., Tensor]) -> Written:
    linear = {name: nn.Linear(6, 6) for name in ("stem", "one", "two", "other", "time", "head")}
    parts = {**linear, "small": nn.Linear(3, 3), "norm": nn.LayerNorm(6)}
    return Written(lambda net, x: net.head(forward(net, x)), **parts)


def leaf(*shape: int) -> Tensor:
    return torch.randn(shape, requires_grad=True)


class Forked(nn.Module):
    """A network with forks, joins, a weight used twice, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.one(x).relu()
        left, right = (hidden + self.two(hidden)).chunk(2, -1)
        return self.two(self.one(torch.cat([left, right], -1))), left * right.sigmoid()
