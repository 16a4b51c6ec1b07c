"""Tasks of the hosts: each has a structure to learn, and more samples than can be memorized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Generator, Tensor

Batch = tuple[Tensor, Tensor]

FEATURES, CLASSES = 32, 8  # of the teacher task
VOCABULARY, CONTEXT = 96, 24
NODES = 64


@dataclass(frozen=True)
class Task:
    """``draw(generator, count, held_out)`` returns a new batch; ``loss(output, target)`` returns a scalar."""

    draw: Callable[[Generator, int, bool], Batch]
    loss: Callable[[Tensor, Tensor], Tensor]
    batch: int = 64


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, -2), target.flatten())


def teacher(generator: Generator, count: int, held_out: bool) -> Batch:
    """Gaussian inputs, classified by a fixed random network with one hidden layer."""
    fixed = Generator().manual_seed(7)
    hidden = torch.randn(FEATURES, 8, generator=fixed) / FEATURES**0.5
    out = torch.randn(8, CLASSES, generator=fixed)
    x = torch.randn(count, FEATURES, generator=generator)
    return x, ((x @ hidden).tanh() @ out).argmax(1)


@lru_cache(maxsize=1)
def _digits() -> Batch:
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32)
    order = torch.randperm(len(x), generator=Generator().manual_seed(2))  # adjacent digits are by the same writer
    return ((x - x.mean()) / x.std())[order], torch.tensor(labels)[order]


def digits(*shape: int) -> Callable[[Generator, int, bool], Batch]:
    """Scikit-learn's handwritten digits (8 x 8); 400 random ones are held out."""

    def draw(generator: Generator, count: int, held_out: bool) -> Batch:
        x, y = _digits()
        first, last = (len(x) - 400, len(x)) if held_out else (0, len(x) - 400)
        picked = torch.randint(first, last, (count,), generator=generator)
        return x[picked].view(count, *shape), y[picked]

    return draw


def next_token(generator: Generator, count: int, held_out: bool) -> Batch:
    """A chain in which every token has two successors, one of them likelier; the minimum loss is 0.61."""
    fixed = Generator().manual_seed(4)
    likely, other = (torch.randperm(VOCABULARY, generator=fixed) for _ in range(2))
    chain = [torch.randint(VOCABULARY, (count,), generator=generator)]
    for _ in range(CONTEXT):
        chain.append(torch.where(torch.rand(count, generator=generator) < 0.7, likely[chain[-1]], other[chain[-1]]))
    tokens = torch.stack(chain, 1)
    return tokens[:, :-1], tokens[:, 1:]


def bag_of_tokens(generator: Generator, count: int, held_out: bool) -> Batch:
    """Random tokens; the class is the sum of a fixed teacher's vote vectors, one per token."""
    votes = torch.randn(VOCABULARY // 4, 4, generator=Generator().manual_seed(11))
    x = torch.randint(len(votes), (count, CONTEXT), generator=generator)
    return x, (votes - votes.mean(0))[x].sum(1).argmax(1)


def noisy_blobs(generator: Generator, count: int, held_out: bool) -> Batch:
    """Images (16 x 16) of three bright spots with noise; the target is the clean image."""
    places = torch.rand(count, 3, 2, 1, generator=generator) * 16
    line = torch.arange(16.0)
    spots = torch.exp(-((line - places) ** 2) / 6)  # (count, 3, 2, 16)
    clean = (spots[:, :, 0, :, None] * spots[:, :, 1, None, :]).sum(1, keepdim=True)
    clean = (clean - 0.2) / 0.35
    return clean + torch.randn(clean.shape, generator=generator), clean


def graph() -> Tensor:
    """Return the normalized adjacency of a fixed random graph: D^-1/2 (A + I) D^-1/2 (Kipf and Welling 2017)."""
    fixed = Generator().manual_seed(3)
    joined = torch.rand(NODES, NODES, generator=fixed) < 0.05
    adjacency = (joined | joined.T | torch.eye(NODES, dtype=torch.bool)).float()
    degree = adjacency.sum(1).rsqrt()
    return degree[:, None] * adjacency * degree


def neighbors(generator: Generator, count: int, held_out: bool) -> Batch:
    """New node features; a fixed teacher computes each node's class from the mean of its neighborhood."""
    fixed = Generator().manual_seed(5)
    out = torch.randn(16, 5, generator=fixed)
    x = torch.randn(count, NODES, 16, generator=generator)
    return x, (graph() @ x @ out).argmax(-1)
