"""Tasks of the fresh hosts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from benchmarks.faults.tasks import Batch, digits

SHOPS = (20, 16, 12)  # numbers of buyers, goods and places
MEASURED = 6
TERMS, LENGTH, TAGS = 30, 16, 5  # of token sequences
CHIRP, KINDS = 48, 6  # samples per sound, and kinds of sounds
NODES, TRAITS, ROLES = 48, 12, 4  # of the graph
PAST, FUTURE = 36, 12  # points of a seasonal curve


def purchases(generator: Generator, count: int, held_out: bool) -> Batch:
    """Measured features, then a buyer, goods and a place; the target is whether the goods are bought."""
    fixed = Generator().manual_seed(41)
    buyer, goods, place = (torch.randn(size, 3, generator=fixed) for size in SHOPS)
    weights = torch.randn(MEASURED, generator=fixed) / MEASURED**0.5
    appeal = [1.5 * torch.randn(size, generator=fixed) for size in SHOPS]
    chosen = [torch.randint(size, (count,), generator=generator) for size in SHOPS]
    measured = torch.randn(count, MEASURED, generator=generator)
    taste = 0.5 * (goods[chosen[1]] * (buyer[chosen[0]] + place[chosen[2]])).sum(1)
    plain = torch.stack([table[index] for table, index in zip(appeal, chosen, strict=True)]).sum(0)
    score = taste + plain + measured @ weights + 0.3 * torch.randn(count, generator=generator)
    return torch.cat([measured, torch.stack(chosen, 1).float()], 1), (score > 0).long()


def chirps(generator: Generator, count: int, held_out: bool) -> Batch:
    """Noisy two-channel sounds ``(count, 2, CHIRP)``; classes: a high or low pitch that rises, falls or is constant."""
    kind = torch.randint(KINDS, (count,), generator=generator)
    slope, base = kind % 3 - 1.0, 4.0 + 4.0 * (kind // 3)
    time = torch.arange(CHIRP) / CHIRP
    turns = base[:, None] * time + 1.5 * slope[:, None] * time * (time - 1)
    phase = torch.rand(count, 2, 1, generator=generator)
    clean = (2 * math.pi * (turns[:, None] + phase)).sin() * 2**0.5
    return (clean + 0.3 * torch.randn(clean.shape, generator=generator)) / 1.05, kind


def tags(generator: Generator, count: int, held_out: bool) -> Batch:
    """Random tokens; the tag of each depends on the token and its two neighbors."""
    fixed = Generator().manual_seed(43)
    votes = torch.randn(3, TERMS, TAGS, generator=fixed) * torch.tensor([0.6, 1.0, 0.6])[:, None, None]
    terms = torch.randint(TERMS, (count, LENGTH + 2), generator=generator)
    score = sum(votes[place][terms[:, place : place + LENGTH]] for place in range(3))
    assert isinstance(score, Tensor)
    return terms[:, 1:-1], score.argmax(-1)


def walks(generator: Generator, count: int, held_out: bool) -> Batch:
    """A chain whose next token depends on the previous two, or is random with a probability of 0.2."""
    fixed = Generator().manual_seed(45)
    step = torch.randint(TERMS, (2, TERMS), generator=fixed)
    chain = list(torch.randint(TERMS, (2, count), generator=generator))
    for _ in range(LENGTH - 1):
        follows = (step[0][chain[-1]] + (chain[-2] % 2) * step[1][chain[-1]]) % TERMS
        noise = torch.randint(TERMS, (count,), generator=generator)
        chain.append(torch.where(torch.rand(count, generator=generator) < 0.2, noise, follows))
    terms = torch.stack(chain, 1)
    return terms[:, :-1], terms[:, 1:]


def ring() -> Tensor:
    """Return the adjacency matrix of a fixed graph: a ring with shortcuts."""
    nodes = torch.arange(NODES)
    joined = torch.zeros(NODES, NODES)
    joined[nodes, (nodes + 1) % NODES] = 1
    far = torch.randperm(NODES, generator=Generator().manual_seed(46))
    joined[far[: NODES // 2], far[NODES // 2 :]] = 1
    return (joined + joined.T).clamp(max=1)


def roles(generator: Generator, count: int, held_out: bool) -> Batch:
    """Random node features; a fixed teacher computes each node's class from its two-hop neighborhood."""
    fixed = Generator().manual_seed(47)
    first, second = torch.randn(TRAITS, 8, generator=fixed), torch.randn(8, ROLES, generator=fixed)
    near = ring() + torch.eye(NODES)
    x = torch.randn(count, NODES, TRAITS, generator=generator)
    return x, (near @ (near @ x @ first / 5).tanh() @ second).argmax(-1)


def pairs_of_digits(generator: Generator, count: int, held_out: bool) -> Batch:
    """Pairs of handwritten digits ``(count, 2, 8, 8)``; the target is whether they are equal (half are)."""
    draw = digits(8, 8)
    first, left = draw(generator, count, held_out)
    pool, kinds = draw(generator, 8 * count, held_out)
    same = torch.rand(count, generator=generator) < 0.5
    fits = (kinds[None] == left[:, None]) == same[:, None]
    chosen = (fits + torch.rand(fits.shape, generator=generator)).argmax(1)
    return torch.stack([first, pool[chosen]], 1), (kinds[chosen] == left).long()


def seasons(generator: Generator, count: int, held_out: bool) -> Batch:
    """The past of a standardized seasonal curve with a trend and noise; the target is its future."""
    time = torch.arange(PAST + FUTURE) / 12
    phase, slope, size = torch.randn(3, count, 1, generator=generator)
    curve = (1 + 0.3 * size) * (2 * math.pi * (time + phase)).sin() + 0.3 * slope * (time - 2)
    curve = (curve + 0.15 * torch.randn(curve.shape, generator=generator)) / 0.9
    return curve[:, :PAST], curve[:, PAST:]


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return the loss for one logit per sample and integer targets, 0 or 1."""
    return F.binary_cross_entropy_with_logits(output.squeeze(-1), target.float())
