"""nlintz/TensorFlow-Tutorials#83: `1 / shape[0]` is an integer division in Python 2, so all weights get std 0."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

PIXELS, HIDDEN, NOISE = 64, 40, 16
IMAGES = torch.rand(10, PIXELS, generator=generator(-1)).round()


class Gan(nn.Module):
    """The half of the training in which the generator is held fixed and the discriminator trains."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(NOISE, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, PIXELS), nn.Sigmoid())
        self.discriminator = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                fan_in = module.in_features
                nn.init.normal_(module.weight, std=1 // fan_in if broken else fan_in**-0.5)
                nn.init.zeros_(module.bias)
        self.generator.requires_grad_(False)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return self.discriminator(images), self.discriminator(self.generator(noise))


def batch(i: int) -> Batch:
    g = generator(i)
    images = IMAGES[torch.randint(0, len(IMAGES), (64,), generator=g)]
    flipped = torch.rand(64, PIXELS, generator=g) < 0.1
    images = torch.where(flipped, 1 - images, images)
    noise = torch.randn(64, NOISE, generator=g)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        real, fake = output
        return F.binary_cross_entropy_with_logits(
            real, torch.full_like(real, 0.9)
        ) + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))

    return (images, noise), loss


CASE = Case(
    name="gan_zero_std",
    source="nlintz/TensorFlow-Tutorials#83",
    fault="An integer division makes the std of the initialization 0, so all weights are zero.",
    build=Gan,
    batch=batch,
    rules=("IH103",),
    layers=("discriminator", "generator"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
)
