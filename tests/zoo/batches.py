"""Seeded synthetic data with a learnable structure."""

from __future__ import annotations

import torch
from torch import Tensor

CLASSES = 10
FEATURES = 32
VOCABULARY = 64


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(20)


def vectors(samples: int = 64, features: int = FEATURES, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    """Return standard normal ``(samples, features)`` and classes by a random linear teacher, ``(samples,)``."""
    generator = _generator()
    inputs = torch.randn(samples, features, generator=generator)
    teacher = torch.randn(features, classes, generator=generator)
    return inputs, (inputs @ teacher).argmax(1)


def pictures(samples: int = 32, channels: int = 3, size: int = 16) -> tuple[Tensor, Tensor]:
    """Return noisy patterns, one per class: ``(samples, channels, size, size)``, standardized, and ``(samples,)``."""
    generator = _generator()
    classes = torch.arange(samples) % CLASSES
    coarse = torch.randn(CLASSES, channels, 4, 4, generator=generator)
    patterns = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    images = patterns[classes] + 0.5 * torch.randn(samples, channels, size, size, generator=generator)
    return (images - images.mean()) / images.std(), classes


def series(samples: int = 32, length: int = 24, features: int = 8) -> tuple[Tensor, Tensor]:
    """Return noisy sines ``(samples, length, features)``, unit variance, and their frequency class ``(samples,)``."""
    generator = _generator()
    classes = torch.arange(samples) % CLASSES
    time = torch.arange(length) / length
    phases = torch.rand(samples, 1, features, generator=generator)
    waves = torch.sin(6.283 * (time[None, :, None] * (classes[:, None, None] + 1) / 2 + phases))
    noisy = waves + 0.2 * torch.randn(samples, length, features, generator=generator)
    return noisy / noisy.std(), classes


def tokens(samples: int = 16, length: int = 24) -> tuple[Tensor, Tensor]:
    """Return arithmetic progressions of tokens ``(samples, length)``, and the same shifted by one."""
    generator = _generator()
    start = torch.randint(VOCABULARY, (samples, 1), generator=generator)
    stride = torch.randint(1, CLASSES, (samples, 1), generator=generator)
    sequence = (start + stride * torch.arange(length + 1)) % VOCABULARY
    return sequence[:, :-1].contiguous(), sequence[:, 1:].contiguous()
