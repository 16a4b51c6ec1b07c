"""Residual branches: where they leave the trunk and end, how many there are, what reads the trunk or a norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.flow import Flow
from tests.record.reading import Written, read

X, MEMORY = torch.randn(2, 3, 6), torch.randn(2, 4, 6)


class Block(nn.Module):
    """The parts of a transformer's block, to be put together in several ways."""

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


def post_norm(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    x = b.one(x + b.attend(x))
    return cast(Tensor, b.two(x + b.mlp(x)))


def norm_within(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    x = x + b.one(b.attend(x))
    return cast(Tensor, x + b.two(b.mlp(x)))


def parallel(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    y = b.one(x)
    return x + (b.attend(y) + b.mlp(y))


def parallel_in_turn(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    y = b.one(x)
    return x + b.attend(y) + b.mlp(y)


def decoder(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    x = x + b.attend(b.one(x))
    x = x + b.cross(b.two(x), memory, memory)[0]
    return x + b.mlp(b.three(x))


def with_adapter(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    y = b.mlp(b.one(x))
    return cast(Tensor, x + (y + b.high(b.low(y).relu())))


def with_low_rank(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    y = b.up(b.one(x)).relu()
    return cast(Tensor, x + (b.down(y) + b.high(b.low(y[..., :6]))))


def modulated(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    shift, scale, gate = b.modulation(memory.mean(1, keepdim=True)).chunk(3, -1)
    return cast(Tensor, x + gate * b.mlp(F.layer_norm(x, (6,)) * (1 + scale) + shift))


def without_residual(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    return b.mlp(b.attend(b.one(x)))


# How a block is put together: branches of each, whether the trunk is normalized, what ends a branch, what reads
# the trunk.
Way = Callable[[Block, Tensor, Tensor], Tensor]
BLOCKS: dict[str, tuple[Way, int, bool, str, str]] = {
    "pre-norm": (pre_norm, 2, False, "attention.out_proj down", "one two"),
    "post-norm": (post_norm, 2, True, "attention.out_proj down", "attention up"),
    "norm within the branch": (norm_within, 2, False, "attention.out_proj down", "attention up"),
    "parallel": (parallel, 2, False, "attention.out_proj down", "one"),
    "parallel, added in turn": (parallel_in_turn, 2, False, "attention.out_proj down", "one"),
    "decoder": (decoder, 3, False, "attention.out_proj cross.out_proj down", "one two three"),
    "adapter": (with_adapter, 1, False, "down high", "one low"),
    "low rank": (with_low_rank, 1, False, "down high", "one"),
    "modulated": (modulated, 1, False, "down", "up"),
    "no residual": (without_residual, 0, False, "", ""),
}


def network(way: Way, count: int = 3) -> Written:
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


@pytest.mark.parametrize("name", BLOCKS)
def test_branches_of_a_transformer_block(name: str) -> None:
    way, branches, normalized, ends, readers = BLOCKS[name]
    found, layers = flow(network(way), X, MEMORY)
    assert (found.branches, found.trunk_normalized) == (3 * branches, normalized)
    inner = {name: layer for name, layer in layers.items() if name.startswith("blocks.1.")}
    assert {name.removeprefix("blocks.1.") for name, layer in inner.items() if layer.ends_branch} == set(ends.split())
    assert {n.removeprefix("blocks.1.") for n, layer in inner.items() if layer.reads_trunk} == set(readers.split())


def test_a_norm_behind_the_last_block_is_no_norm_on_the_trunk() -> None:
    model = Written(lambda net, x, memory: net.norm(net.body(x, memory)), body=network(pre_norm), norm=nn.LayerNorm(2))
    assert not flow(model, X, MEMORY)[0].trunk_normalized


def test_a_conformer_normalizes_its_trunk_once_a_block() -> None:
    def block(b: Block, x: Tensor, memory: Tensor) -> Tensor:
        x = x + 0.5 * b.mlp(b.one(x))
        x = x + b.attend(b.two(x))
        x = x + b.high(b.low(x).relu())
        return cast(Tensor, b.three(x + 0.5 * b.mlp(b.one(x))))

    found, _ = flow(network(block), X, MEMORY)
    assert (found.branches, found.trunk_normalized) == (12, True)


def pieces(net: Any, x: Tensor) -> Tensor:
    """Res2Net: what is added to a piece is made of another piece."""
    one, two = net.stem(x).chunk(2, -1)
    return torch.cat([one, two + net.small(one).relu()], -1)


def sliced_pieces(net: Any, x: Tensor) -> Tensor:
    y = net.stem(x)
    return torch.cat([y[..., :3], y[..., 3:] + net.small(y[..., :3]).relu()], -1)


def injected(net: Any, x: Tensor) -> Tensor:
    """An embedding of the positions that every layer's keys get again."""
    position, y = net.other(torch.ones(3, 6)).expand(2, 3, 6), net.stem(x)
    for layer in (net.one, net.two):
        y = net.norm(y + layer(F.scaled_dot_product_attention(y + position, y + position, y)))
    return cast(Tensor, y)


def conditioned(net: Any, x: Tensor) -> Tensor:
    """A condition that is projected and added in every layer; no layer has a skip."""
    condition, y = net.other(x.mean(1, keepdim=True)), net.stem(x)
    for layer in (net.one, net.two):
        y = layer(y).relu() + net.time(condition)
    return cast(Tensor, y)


def gated(net: Any, x: Tensor) -> Tensor:
    """A GRU's update: (h - n) z + n."""
    y, z = net.stem(x).tanh(), net.one(x).sigmoid()
    return cast(Tensor, (net.other(x) - y) * z + y)


def biased_scores(net: Any, x: Tensor) -> Tensor:
    """T5's: the same bias on the scores of every layer, made of what all layers read."""
    y = net.stem(x)
    bias = y @ y.mT
    for layer in (net.one, net.two):
        y = layer((layer(y) @ y.mT + bias).softmax(-1) @ y)
    return cast(Tensor, y)


NO_BRANCH: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "pieces": pieces,
    "slices": sliced_pieces,
    "a condition": conditioned,
    "a gate": gated,
    "a bias on scores": biased_scores,
}


def small_net(forward: Callable[..., Tensor]) -> Written:
    linear = {name: nn.Linear(6, 6) for name in ("stem", "one", "two", "other", "time", "head")}
    parts = {**linear, "small": nn.Linear(3, 3), "norm": nn.LayerNorm(6)}
    return Written(lambda net, x: net.head(forward(net, x)), **parts)


@pytest.mark.parametrize("name", NO_BRANCH)
def test_what_looks_like_a_branch_and_is_none(name: str) -> None:
    found, layers = flow(small_net(NO_BRANCH[name]), X)
    assert found.branches == 0
    assert not [name for name, layer in layers.items() if layer.ends_branch or layer.reads_trunk]


def test_positions_added_again_and_again_are_no_trunk() -> None:
    found, layers = flow(small_net(injected), X)
    assert found.branches == 2
    assert {name for name, layer in layers.items() if layer.ends_branch} == {"one", "two"}


def test_a_learned_trunk_is_one_too() -> None:
    """Queries that are parameters and read the input by attention."""

    def forward(net: Any, x: Tensor) -> Tensor:
        y = net.queries.expand(2, 4, 6)
        return cast(Tensor, net.head(y + net.cross(F.layer_norm(y, (6,)), x, x)[0]))

    parts = {"cross": nn.MultiheadAttention(6, 2, batch_first=True), "head": nn.Linear(6, 2)}
    found, layers = flow(Written(forward, queries=nn.Parameter(torch.randn(1, 4, 6)), **parts), X)
    assert found.branches == 1
    assert layers["cross.out_proj"].ends_branch


def test_branches_within_a_branch_are_not_those_of_the_trunk() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = net.one(x)
        y = y + net.two(y).relu()
        y = y + net.time(y).relu()
        return cast(Tensor, net.head(x + net.other(y.tanh())))

    linear = {name: nn.Linear(6, 6) for name in ("stem", "one", "two", "time", "other", "head")}
    found, layers = flow(Written(forward, **linear), X)
    assert found.branches == 1
    assert {name for name, layer in layers.items() if layer.ends_branch} == {"two", "time", "other"}


@pytest.mark.parametrize("gate", ["sigmoid", "softmax"])
def test_what_opens_a_gate_ends_no_branch(gate: str) -> None:
    """Squeeze and excitation, an expert's share: they weigh what the branch brings."""

    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        opening = net.two(x).sigmoid() if gate == "sigmoid" else net.two(x).softmax(-1)[..., :1]
        return cast(Tensor, net.head(x + net.one(x.relu()) * opening))

    linear = {name: nn.Linear(6, 6) for name in ("stem", "one", "two", "head")}
    _, layers = flow(Written(forward, **linear), X)
    assert {name for name, layer in layers.items() if layer.ends_branch} == {"one"}


def scaled(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + net.alpha * net.last(net.first(x).relu()))


def layer_scaled(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + net.gamma * F.dropout(net.last(net.norm(net.first(x)).relu()), 0.0))


def norm_ended(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + net.norm(net.last(net.first(x).relu())))


def fused(net: Any, x: Tensor) -> Tensor:
    return torch.addcmul(x, net.gamma.expand(2, 3, 6), net.last(net.first(x).relu()))


SCALES: dict[str, tuple[Callable[[Any, Tensor], Tensor], dict[str, tuple[str, ...]]]] = {
    "ReZero": (scaled, {"first": (), "last": ("alpha",)}),
    "LayerScale": (layer_scaled, {"first": ("norm.weight",), "last": ("gamma",)}),
    "a norm at the end": (norm_ended, {"first": (), "last": ("norm.weight",)}),
    "addcmul": (fused, {"first": (), "last": ("gamma",)}),
}


@pytest.mark.parametrize("name", SCALES)
def test_learned_scales_that_an_output_passes(name: str) -> None:
    way, wanted = SCALES[name]
    linear = {part: nn.Linear(6, 6) for part in ("stem", "first", "last", "head")}
    scales = {"alpha": nn.Parameter(torch.zeros(1)), "gamma": nn.Parameter(torch.ones(6)), "norm": nn.LayerNorm(6)}
    model = Written(lambda net, x: net.head(way(net, net.stem(x))), **linear, **scales)
    _, layers = flow(model, X)
    assert {part: layers[part].scales for part in wanted} == wanted
    assert layers["stem"].scales == layers["head"].scales == ()  # the trunk goes round them


NORMS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "a norm": lambda net, y: net.norm(y),
    "one by hand": lambda net, y: net.gamma * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)),
    "through dropout and views": lambda net, y: (
        F.dropout(net.norm(y), 0.1).transpose(0, 1).contiguous().transpose(0, 1)
    ),
    "cast": lambda net, y: net.norm(y).double().float(),
}
NOT_NORMS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "nothing": lambda net, y: y,
    "an activation behind it": lambda net, y: net.norm(y).relu(),
    "another signal added": lambda net, y: net.norm(y) + y.tanh(),
}


@pytest.mark.parametrize("name", [*NORMS, *NOT_NORMS])
def test_what_reads_a_norm(name: str) -> None:
    way = NORMS.get(name) or NOT_NORMS[name]
    model = Written(
        lambda net, x: net.head(way(net, net.stem(x))),
        stem=nn.Linear(6, 6), norm=nn.LayerNorm(6), gamma=nn.Parameter(torch.ones(6)), head=nn.Linear(6, 2),
    )  # fmt: skip
    _, layers = flow(model, X)
    assert layers["head"].reads_norm == (name in NORMS)
    assert not layers["stem"].reads_norm
