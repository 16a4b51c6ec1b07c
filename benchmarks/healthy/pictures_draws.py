"""The images of the everyday networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..faults.tasks import digits
from .everyday_net import Drawn


def pictures(generator: Generator, count: int, size: int, channels: int = 3, classes: int = 10) -> tuple[Tensor, ...]:
    """Return smooth patterns, one per class, randomly shifted with smooth and white noise; standardized."""
    fixed = Generator().manual_seed(11)
    patterns = _smooth(torch.randn(classes, channels, 4, 4, generator=fixed), size)
    labels = torch.randint(classes, (count,), generator=generator)
    noise = _smooth(torch.randn(count, channels, 6, 6, generator=generator), size)
    shift = torch.randint(-(size // 8), size // 8 + 1, (2,), generator=generator).tolist()
    images = patterns[labels].roll(shift, (2, 3)) + 0.5 * noise
    images = images + 0.2 * torch.randn(images.shape, generator=generator)
    return (images - images.mean()) / images.std(), labels


def _smooth(coarse: Tensor, size: int) -> Tensor:
    return F.interpolate(coarse, size=size, mode="bicubic", align_corners=False)


def handwriting(generator: Generator, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits at another size, standardized."""
    images, labels = digits(1, 8, 8)(generator, count, False)
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False), labels


def to_unit(images: Tensor) -> Tensor:
    """Map standardized images to values between 0 and 1, for losses on pixels."""
    return (images / 4 + 0.5).clamp(0, 1)


def classify(count: int, size: int, channels: int = 3, smoothing: float = 0.0) -> Callable[[Generator], Drawn]:
    """Return pattern images with a cross-entropy loss."""

    def draw(generator: Generator) -> Drawn:
        images, labels = pictures(generator, count, size, channels)
        return images, lambda output: F.cross_entropy(output, labels, label_smoothing=smoothing)

    return draw


def classify_digits(count: int, size: int) -> Callable[[Generator], Drawn]:
    def draw(generator: Generator) -> Drawn:
        images, labels = handwriting(generator, count, size)
        return images, lambda output: F.cross_entropy(output, labels)

    return draw
