"""What reads the trunk or a norm, the number of branches, and norms on the trunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    MEMORY,
    SEQUENCES,
    Block,
    flow,
    network,
    pre_norm,
)
from tests.record.reading import Written


def parallel(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    y = b.one(x)
    return x + (b.attend(y) + b.mlp(y))


def parallel_in_turn(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    y = b.one(x)
    return x + b.attend(y) + b.mlp(y)


def post_norm(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    x = b.one(x + b.attend(x))
    return cast(Tensor, b.two(x + b.mlp(x)))


def norm_within(b: Block, x: Tensor, memory: Tensor) -> Tensor:
    x = x + b.one(b.attend(x))
    return cast(Tensor, x + b.two(b.mlp(x)))


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


# Block structure: branches per block, whether the trunk is normalized, what ends a branch, what reads the trunk.
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


@pytest.mark.parametrize("name", BLOCKS)
def test_branches_of_a_transformer_block(name: str) -> None:
    way, branches, normalized, ends, readers = BLOCKS[name]
    found, layers = flow(network(way), SEQUENCES, MEMORY)
    assert (found.branches, found.trunk_normalized) == (3 * branches, normalized)
    inner = {name: layer for name, layer in layers.items() if name.startswith("blocks.1.")}
    assert {name.removeprefix("blocks.1.") for name, layer in inner.items() if layer.ends_branch} == set(ends.split())
    assert {n.removeprefix("blocks.1.") for n, layer in inner.items() if layer.reads_trunk} == set(readers.split())


def test_a_norm_after_the_last_block_is_not_on_the_trunk() -> None:
    model = Written(lambda net, x, memory: net.norm(net.body(x, memory)), body=network(pre_norm), norm=nn.LayerNorm(2))
    assert not flow(model, SEQUENCES, MEMORY)[0].trunk_normalized


def test_a_conformer_normalizes_its_trunk_once_per_block() -> None:
    def block(b: Block, x: Tensor, memory: Tensor) -> Tensor:
        x = x + 0.5 * b.mlp(b.one(x))
        x = x + b.attend(b.two(x))
        x = x + b.high(b.low(x).relu())
        return cast(Tensor, b.three(x + 0.5 * b.mlp(b.one(x))))

    found, _ = flow(network(block), SEQUENCES, MEMORY)
    assert (found.branches, found.trunk_normalized) == (12, True)


def test_nested_branches_are_not_counted() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = net.one(x)
        y = y + net.two(y).relu()
        y = y + net.time(y).relu()
        return cast(Tensor, net.head(x + net.other(y.tanh())))

    linear = {name: nn.Linear(6, 6) for name in ("stem", "one", "two", "time", "other", "head")}
    found, layers = flow(Written(forward, **linear), SEQUENCES)
    assert found.branches == 1
    assert {name for name, layer in layers.items() if layer.ends_branch} == {"two", "time", "other"}


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
    _, layers = flow(model, SEQUENCES)
    assert layers["head"].reads_norm == (name in NORMS)
    assert not layers["stem"].reads_norm
