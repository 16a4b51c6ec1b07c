"""Generators trained with their discriminators, discriminators and critics."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .everyday_net import Drawn, everyday
from .pictures_draws import pictures

NOISE = 64


def weights_init(m: nn.Module) -> None:
    """DCGAN's initialization, as in its best-known implementation."""
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


def dcgan_generator(width: int = 32) -> nn.Module:
    layers: list[nn.Module] = []
    widths = (NOISE, 4 * width, 2 * width, width)
    for i, (a, b) in enumerate(pairwise(widths)):
        conv = nn.ConvTranspose2d(a, b, 4, 2 if i else 1, 1 if i else 0, bias=False)
        layers += [conv, nn.BatchNorm2d(b), nn.ReLU(True)]
    generator = nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())
    return generator.apply(weights_init)


def dcgan_discriminator(width: int = 32) -> nn.Module:
    discriminator = nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, width * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width * 2), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width * 2, width * 4, 4, 2, 1, bias=False), nn.BatchNorm2d(width * 4),
        nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(width * 4, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    return discriminator.apply(weights_init)


def fool(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> Callable[[Generator], Drawn]:
    """The generator's loss: the discriminator should classify its images as real."""

    def draw(generator: Generator) -> Drawn:
        judge = make()
        return torch.randn(16, *shape, generator=generator), lambda fake: F.softplus(-judge(fake)).mean()

    return draw


def real_and_fake(generator: Generator, count: int = 16) -> tuple[Tensor, Tensor]:
    """Return real and fake images; the fakes resemble a generator's first steps: nearly gray."""
    real = (pictures(generator, count, 32)[0] / 3).clamp(-1, 1)
    return real, 0.1 * torch.randn(real.shape, generator=generator)


def tell_apart(generator: Generator) -> Drawn:
    real, fake = real_and_fake(generator)
    target = torch.cat([torch.ones(len(real)), torch.zeros(len(fake))])
    return torch.cat([real, fake]), lambda logits: F.binary_cross_entropy_with_logits(logits, target)


class SpectralDiscriminator(nn.Module):
    """SNGAN's discriminator: all layers are divided by their largest singular value."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        shapes = ((3, width, 3, 1), (width, 2 * width, 4, 2), (2 * width, 2 * width, 3, 1))
        shapes += ((2 * width, 4 * width, 4, 2), (4 * width, 4 * width, 3, 1), (4 * width, 8 * width, 4, 2))
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, k, s, padding=1)) for a, b, k, s in shapes)
        self.fc = spectral_norm(nn.Linear(4 * 4 * 8 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
        return self.fc(x.flatten(1)).squeeze(1)


def hinge(generator: Generator) -> Drawn:
    real, fake = real_and_fake(generator)

    def loss(scores: Tensor) -> Tensor:
        of_real, of_fake = scores.chunk(2)
        return F.relu(1 - of_real).mean() + F.relu(1 + of_fake).mean()

    return torch.cat([real, fake]), loss


class Critic(nn.Module):
    """Scores of real and fake images, and gradient norms on the lines between them (WGAN-GP)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.InstanceNorm2d(2 * width, affine=True), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1), nn.InstanceNorm2d(4 * width, affine=True), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 4, 1, 0),
        )  # fmt: skip

    def forward(self, real: Tensor, fake: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        between = (share * real + (1 - share) * fake).detach().requires_grad_()
        scores = self.net(between)
        (gradient,) = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)
        return self.net(real), self.net(fake), gradient.flatten(1).norm(2, dim=1)


def wasserstein(generator: Generator) -> Drawn:
    real, fake = real_and_fake(generator)
    share = torch.rand(len(real), 1, 1, 1, generator=generator)

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        of_real, of_fake, norms = output
        return of_fake.mean() - of_real.mean() + 10 * ((norms - 1) ** 2).mean()

    return (real, fake, share), loss


NETS = (
    everyday("dcgan-generator", "DCGAN generator", dcgan_generator, fool(dcgan_discriminator, (NOISE, 1, 1))),
    everyday("dcgan-discriminator", "GAN discriminator", dcgan_discriminator, tell_apart),
    everyday("sngan-discriminator", "spectral-norm discriminator", SpectralDiscriminator, hinge),
    everyday("wgan-critic", "Wasserstein critic", Critic, wasserstein),
)
