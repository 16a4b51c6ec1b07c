"""funcwj/conv-tasnet#2: with a softmax over the sources' masks, a Conv-TasNet converges very slowly."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SAMPLES, SOURCES, FILTERS, WIDTH, KERNEL = 160, 2, 32, 16, 16


class Block(nn.Module):
    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv1d(WIDTH, 2 * WIDTH, 1), nn.Conv1d(2 * WIDTH, WIDTH, 1)
        self.depthwise = nn.Conv1d(2 * WIDTH, 2 * WIDTH, 3, padding=dilation, dilation=dilation, groups=2 * WIDTH)
        self.prelu1, self.prelu2 = nn.PReLU(), nn.PReLU()
        self.norm1, self.norm2 = nn.GroupNorm(1, 2 * WIDTH), nn.GroupNorm(1, 2 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm1(self.prelu1(self.enter(x)))
        return x + self.leave(self.norm2(self.prelu2(self.depthwise(inner))))


class ConvTasNet(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, FILTERS, KERNEL, KERNEL // 2)
        self.norm, self.bottleneck = nn.GroupNorm(1, FILTERS), nn.Conv1d(FILTERS, WIDTH, 1)
        self.blocks = nn.Sequential(*(Block(2**power) for power in range(2)))
        self.mask = nn.Conv1d(WIDTH, SOURCES * FILTERS, 1)
        self.decoder = nn.ConvTranspose1d(FILTERS, 1, KERNEL, KERNEL // 2)
        self.broken = broken

    def forward(self, mixture: Tensor) -> Tensor:
        encoded = F.relu(self.encoder(mixture[:, None]))
        mask = self.mask(self.blocks(self.bottleneck(self.norm(encoded)))).unflatten(1, (SOURCES, FILTERS))
        mask = mask.softmax(1) if self.broken else F.relu(mask)
        masked = (mask * encoded[:, None]).flatten(0, 1)
        return self.decoder(masked).reshape(len(mixture), SOURCES, SAMPLES)


def tones(g: torch.Generator, low: float, high: float) -> Tensor:
    """Sums of two tones that fade in and out; `low` and `high` are in cycles per sample."""
    frequency = low + (high - low) * torch.rand(16, 2, 1, generator=g)
    phase, speed, offset = 2 * math.pi * torch.rand(3, 16, 2, 1, generator=g)
    time = torch.arange(SAMPLES)
    volume = 1 + torch.sin(speed * time / 64 + offset)
    return (volume * torch.sin(2 * math.pi * frequency * time + phase)).sum(1)


def ratio(estimate: Tensor, source: Tensor) -> Tensor:
    """The scale-invariant ratio of signal to noise, in decibels."""
    estimate, source = estimate - estimate.mean(2, keepdim=True), source - source.mean(2, keepdim=True)
    scale = (estimate * source).sum(2, keepdim=True) / (source**2).sum(2, keepdim=True)
    signal, noise = scale * source, estimate - scale * source
    return 10 * torch.log10((signal**2).sum(2) / ((noise**2).sum(2) + 1e-8) + 1e-8)


def batch(i: int) -> Batch:
    """A low and a high voice."""
    g = generator(i)
    sources = torch.stack([tones(g, 0.02, 0.08), tones(g, 0.12, 0.3)], 1)
    return (sources.sum(1),), lambda output: -ratio(output, sources).mean()


CASE = Case(
    name="tasnet_softmax_mask",
    source="funcwj/conv-tasnet#2",
    fault="The masks of the sources are a softmax, as in the paper, where a ReLU trains much faster.",
    build=ConvTasNet,
    batch=batch,
    rules=("IH205", "IH206", "IH208"),
    layers=("mask",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=200,
    fresh=True,
)
