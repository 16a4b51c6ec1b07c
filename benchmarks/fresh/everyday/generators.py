"""Adversarial networks: a discriminator of patches, an image translator, and a class-conditional generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.healthy.pictures_draws import pictures
from benchmarks.nets import Net


def small_normal(module: nn.Module) -> None:
    """The initialization of pix2pix and CycleGAN: N(0, 0.02) for layers, N(1, 0.02) for norms."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def patch_critic(width: int = 32) -> nn.Module:
    """Isola et al. (2017): a logit for every patch of a pair of images."""
    layers: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for inputs, outputs, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 1)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1)).apply(small_normal)


class TranslatorBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def picture_translator(width: int = 24, blocks: int = 4) -> nn.Module:
    """Zhu et al. (2017): downsampling, residual blocks with instance norms, upsampling."""
    model = nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 3, 2, 1), nn.InstanceNorm2d(4 * width), nn.ReLU(),
        *(TranslatorBlock(4 * width) for _ in range(blocks)),
        nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1), nn.InstanceNorm2d(2 * width), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), nn.InstanceNorm2d(width), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh(),
    )  # fmt: skip
    return model.apply(small_normal)


class ClassNorm(nn.Module):
    """BatchNorm with a gain and a bias that are computed from class and noise."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.gain, self.bias = nn.Linear(condition, width, bias=False), nn.Linear(condition, width, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.norm(x) * (1 + self.gain(condition)[..., None, None]) + self.bias(condition)[..., None, None]


class GrowingBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = ClassNorm(inputs, condition), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = ClassNorm(outputs, condition), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.conv1(F.interpolate(F.relu(self.norm1(x, condition)), scale_factor=2))
        y = self.conv2(F.relu(self.norm2(y, condition)))
        return y + self.shortcut(F.interpolate(x, scale_factor=2))


class ClassGenerator(nn.Module):
    """A small BigGAN (Brock et al. 2019); orthogonal initialization of all layers, as published."""

    def __init__(self, width: int = 32, noise: int = 24, classes: int = 10) -> None:
        super().__init__()
        self.classes = nn.Embedding(classes, 16)
        condition = noise + 16
        self.first = nn.Linear(noise, 2 * width * 16)
        self.blocks = nn.ModuleList(
            (GrowingBlock(2 * width, 2 * width, condition), GrowingBlock(2 * width, width, condition))
        )
        self.norm, self.last = nn.BatchNorm2d(width), nn.Conv2d(width, 3, 3, padding=1)
        for part in self.modules():
            if isinstance(part, (nn.Linear, nn.Conv2d, nn.Embedding)):
                nn.init.orthogonal_(part.weight)

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        condition = torch.cat([noise, self.classes(classes)], 1)
        x = self.first(noise).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            x = block(x, condition)
        return self.last(F.relu(self.norm(x))).tanh()


def paired(generator: Generator) -> Drawn:
    images, labels = pictures(generator, 8, 64)
    truth = (labels % 2 == 0).float()[:, None, None, None]
    pair = torch.cat([images, images.flip(3)], 1) / 2
    return pair, lambda logits: F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits))


def translated(generator: Generator) -> Drawn:
    images, _ = pictures(generator, 4, 48)
    target = (images.flip(1) / 2).tanh()
    return images / 2, lambda made: F.l1_loss(made, target)


def generated(generator: Generator) -> Drawn:
    """The generator's hinge loss; the discriminator is a fixed random linear layer."""
    noise, classes = torch.randn(24, 24, generator=generator), torch.randint(10, (24,), generator=generator)
    critic = torch.randn(10, 3, 16, 16, generator=generator) / 768**0.5
    return (noise, classes), lambda made: -(made * critic[classes]).sum((1, 2, 3)).mean()


NETS: tuple[Net, ...] = (
    everyday("patch_critic", "patch critic", patch_critic, paired),
    everyday("picture_translator", "picture translator", picture_translator, translated),
    everyday("class_generator", "class-conditional generator", ClassGenerator, generated),
)
