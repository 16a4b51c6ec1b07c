"""Batches for the everyday networks: small learnable tasks, independent of the seed of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ...nets import Case


def fresh() -> Generator:
    """Return the generator of a batch."""
    return Generator().manual_seed(1)


def fixed(seed: int) -> Generator:
    """Return the generator of a task's fixed parameters, which are the same in every batch."""
    return Generator().manual_seed(seed)


def classifying(model: nn.Module, batch: Any, labels: Tensor) -> Case:
    """Return a case with cross-entropy. The last dimension of the logits is the classes."""
    return Case(model, batch, lambda logits: F.cross_entropy(logits.flatten(0, -2), labels.flatten()))


def regressing(model: nn.Module, batch: Any, targets: Tensor) -> Case:
    return Case(model, batch, lambda output: F.mse_loss(output, targets))


def scores(inputs: Tensor, outputs: int, seed: int = 7) -> Tensor:
    """Return the outputs of a fixed random network with one hidden layer, with about unit variance."""
    teacher = fixed(seed)
    hidden = torch.randn(inputs.shape[-1], 8, generator=teacher) / inputs.shape[-1] ** 0.5
    return (inputs @ hidden).tanh() @ torch.randn(8, outputs, generator=teacher) / 1.8


def vectors(count: int = 64, features: int = 32, classes: int = 8) -> tuple[Tensor, Tensor]:
    """Return standard normal inputs and their classes."""
    inputs = torch.randn(count, features, generator=fresh())
    return inputs, scores(inputs, classes).argmax(1)


def measured(count: int = 64, features: int = 16, outputs: int = 1) -> tuple[Tensor, Tensor]:
    """Return standard normal inputs and noisy real targets with about unit variance."""
    generator = fresh()
    inputs = torch.randn(count, features, generator=generator)
    return inputs, scores(inputs, outputs) + 0.1 * torch.randn(count, outputs, generator=generator)


def views(count: int = 64, features: int = 32, kinds: int = 16, noise: float = 0.4) -> tuple[Tensor, Tensor, Tensor]:
    """Return two noisy, approximately standardized views of each sample, and the kind of each sample."""
    generator = fresh()
    kind = torch.randint(kinds, (count,), generator=generator)
    centre = torch.randn(kinds, features, generator=fixed(8))[kind]
    sample = centre + 0.5 * torch.randn(count, features, generator=generator)
    left, right = (sample + noise * torch.randn(count, features, generator=generator) for _ in range(2))
    deviation = (1.25 + noise**2) ** 0.5
    return left / deviation, right / deviation, kind


def sentences(count: int = 32, length: int = 24, vocabulary: int = 96) -> tuple[Tensor, Tensor]:
    """Return tokens of a chain in which each has two successors, one of them likelier, and the next tokens."""
    likely, other = (torch.randperm(vocabulary, generator=fixed(seed)) for seed in (4, 5))
    generator = fresh()
    chain = [torch.randint(vocabulary, (count,), generator=generator)]
    for _ in range(length):
        chain.append(torch.where(torch.rand(count, generator=generator) < 0.7, likely[chain[-1]], other[chain[-1]]))
    tokens = torch.stack(chain, 1)
    return tokens[:, :-1], tokens[:, 1:]


def texts(count: int = 64, length: int = 24, vocabulary: int = 96, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Return random tokens (0 is padding); the class is the sum of the tokens' fixed votes."""
    votes = torch.randn(vocabulary, classes, generator=fixed(11))
    tokens = torch.randint(1, vocabulary, (count, length), generator=fresh())
    return tokens, (votes - votes.mean(0))[tokens].sum(1).argmax(1)


def lengths(count: int, longest: int) -> Tensor:
    return torch.randint(longest // 2, longest + 1, (count,), generator=fresh())


def waves(count: int = 32, length: int = 48, channels: int = 4, classes: int = 6) -> tuple[Tensor, Tensor]:
    """Return noisy sines ``(count, length, channels)`` with unit variance, and the class of their frequency."""
    generator = fresh()
    kind = torch.randint(classes, (count,), generator=generator)
    phase = 2 * pi * torch.rand(count, 1, channels, generator=generator)
    turns = 2 * pi * torch.arange(length)[None, :, None] / length * (kind[:, None, None] + 1)
    noisy = (turns + phase).sin() + 0.3 * torch.randn(count, length, channels, generator=generator)
    return noisy / 0.77, kind


def curves(count: int = 32, length: int = 48) -> Tensor:
    """Return seasonal curves ``(count, length)`` with a trend and noise, each standardized."""
    generator = fresh()
    time = torch.arange(length) / 12
    trend, phase = (torch.randn(count, 1, generator=generator) for _ in range(2))
    season = (2 * pi * time + phase).sin() + 0.5 * (4 * pi * time + 2 * phase).cos()
    curve = season + 0.3 * trend * time + 0.1 * torch.randn(count, length, generator=generator)
    return (curve - curve.mean(1, keepdim=True)) / curve.std(1, keepdim=True)


def blobs(count: int = 64, size: int = 8) -> Tensor:
    """Return images ``(count, size * size)`` of two bright spots, between 0 and 1."""
    places = torch.rand(count, 2, 2, 1, generator=fresh()) * size
    spots = torch.exp(-((torch.arange(size) - places) ** 2) / 3)
    return (spots[:, :, 0, :, None] * spots[:, :, 1, None, :]).amax(1).flatten(1)


def categories(count: int, sizes: Sequence[int]) -> Tensor:
    """Return category numbers ``(count, len(sizes))``; low ones are likelier."""
    uniform = torch.rand(count, len(sizes), generator=fresh())
    return (uniform**2 * torch.tensor(sizes)).long()
