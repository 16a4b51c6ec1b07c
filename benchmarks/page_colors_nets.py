"""Healthy networks whose colors are measured, beside the hosts of the accuracy benchmark, and their training tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.faults.hosts import Host
from benchmarks.faults.more_tasks_vision import spots
from benchmarks.faults.more_vision_nets import he_fan_out
from benchmarks.faults.tasks import CONTEXT, VOCABULARY, Batch, Task, cross_entropy, digits, next_token
from benchmarks.faults.token_nets import WIDTH, GPTBlock, small
from benchmarks.fresh import tasks as fresh
from tests.record.networks import Bottleneck

LATENT = 16


class BottleneckResNet(nn.Module):
    """Bottleneck blocks whose last BatchNorm starts at zero (Goyal et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        shapes = ((16, 8, 1), (32, 8, 1), (32, 16, 2), (64, 16, 1), (64, 16, 1))
        self.blocks = nn.Sequential(*(Bottleneck(*shape) for shape in shapes))
        self.head = nn.Linear(64, 10)
        he_fan_out(self.stem)
        he_fan_out(self.blocks)
        for block in self.blocks:
            nn.init.zeros_(block.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(F.relu(self.norm(self.stem(x)))).mean((2, 3)))


class UntiedGPT(nn.Module):
    """Eight pre-norm blocks and a head of its own; residual projections are not scaled."""

    def __init__(self, depth: int = 8) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(GPTBlock() for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
        small(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(x) + self.places.weight)))


class ConvVAE(nn.Module):
    """Convolutions to a mean and a log-variance, transposed ones back; PyTorch's default initialization."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, 2, 1)
        self.down = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.mean, self.log_variance = nn.Linear(8 * width, LATENT), nn.Linear(8 * width, LATENT)
        self.raised = nn.Linear(LATENT, 8 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        self.head = nn.ConvTranspose2d(width, 1, 4, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.relu(self.down(F.relu(self.stem(x)))).flatten(1)
        mean, log_variance = self.mean(x), self.log_variance(x)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        y = F.relu(self.raised(code)).unflatten(1, (-1, 2, 2))
        return self.head(F.relu(self.up(y))), mean, log_variance


class Generator2d(nn.Module):
    """DCGAN's generator (Radford et al. 2016), with its initialization."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.ConvTranspose2d(LATENT, 4 * width, 2, bias=False), nn.BatchNorm2d(4 * width)
        self.up1, self.norm2 = nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width)
        self.up2, self.norm3 = nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.head = nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False)
        dcgan_initialized(self)

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.stem(z)))
        return self.head(F.relu(self.norm3(self.up2(F.relu(self.norm2(self.up1(x))))))).tanh()


class Adversary:
    """The generator's loss; each call first trains the discriminator with the same images, as in DCGAN."""

    def __init__(self, width: int = 16) -> None:
        self.model = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4),
        )  # fmt: skip
        dcgan_initialized(self.model)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def __call__(self, drawn: Tensor, real: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        (self.judged(real, 1.0) + self.judged(drawn.detach(), 0.0)).backward()
        self.optimizer.step()
        return self.judged(drawn, 1.0)

    def judged(self, images: Tensor, target: float) -> Tensor:
        found = self.model(images)
        return F.binary_cross_entropy_with_logits(found, torch.full_like(found, target))


def dcgan_initialized(model: nn.Module) -> None:
    for part in model.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(part.weight, 0.0, 0.02)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)


class BidirectionalLSTM(nn.Module):
    """Two bidirectional layers and a tag for every token; PyTorch's default initialization."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(fresh.TERMS, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, fresh.TAGS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.tokens(x))[0])


def copied_images(generator: Generator, count: int, held_out: bool) -> Batch:
    x, _ = digits(1, 8, 8)(generator, count, held_out)
    return x, x


def evidence_bound(output: Any, target: Tensor) -> Tensor:
    decoded, mean, log_variance = output
    divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum(1).mean() / 2
    return F.mse_loss(decoded, target) + 0.1 * divergence / target[0].numel()


def latent_and_spots(generator: Generator, count: int, held_out: bool) -> Batch:
    """Noise for the generator, and real images of its size."""
    real, _ = spots(generator, count, held_out)
    return torch.randn(count, LATENT, 1, 1, generator=generator), real.clamp(-1, 1)


def more_hosts() -> dict[str, Callable[[], Host]]:
    """Return functions that create the networks, by name; the learning rates are for SGD and Adam."""
    bound: Any = evidence_bound
    return {
        "bottleneck-resnet": lambda: Host(
            "bottleneck-resnet", BottleneckResNet, Task(digits(1, 8, 8), cross_entropy, 32), (0.05, 3e-3), 100
        ),
        "untied-gpt": lambda: Host("untied-gpt", UntiedGPT, Task(next_token, cross_entropy, 8), (0.1, 3e-3), 100),
        "conv-vae": lambda: Host("conv-vae", ConvVAE, Task(copied_images, bound, 64), (0.05, 2e-3), 100),
        "dcgan": lambda: Host("dcgan", Generator2d, Task(latent_and_spots, Adversary(), 32), (0.01, 2e-4), 100),
        "bidirectional-lstm": lambda: Host(
            "bidirectional-lstm", BidirectionalLSTM, Task(fresh.tags, cross_entropy, 32), (0.2, 5e-3), 100
        ),
    }
