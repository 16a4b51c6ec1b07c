"""Healthy networks that model distributions: energies, codes, and weights with a posterior."""

from __future__ import annotations

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

DIMENSIONS = 8
PIXELS = 64


def rings(count: int = 128) -> Tensor:
    """Return four pairs of numbers per sample, each on a noisy half circle, approximately standardized."""
    generator = draws.fresh()
    angle = pi * torch.rand(count, DIMENSIONS // 2, generator=generator)
    points = torch.stack([angle.cos() / 0.7, (angle.sin() - 0.64) / 0.32], -1).flatten(1)
    return points + 0.1 * torch.randn(count, DIMENSIONS, generator=generator)


class Variational(nn.Module):
    """A VAE that returns logits of the pixels, and mean and log variance of the code."""

    def __init__(self, code: int = 8) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(PIXELS, 128), nn.Linear(128, code), nn.Linear(128, code)
        self.fc3, self.fc4 = nn.Linear(code, 128), nn.Linear(128, PIXELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = F.relu(self.fc1(x))
        mean, log_variance = self.fc21(hidden), self.fc22(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.fc4(F.relu(self.fc3(code))), mean, log_variance


class Quantized(nn.Module):
    """A VQ-VAE: four codes per image, from a codebook with Kaiming uniform initialization."""

    def __init__(self, codes: int = 64, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 128), nn.ReLU(), nn.Linear(128, 4 * width))
        self.codebook = nn.Embedding(codes, width)
        nn.init.kaiming_uniform_(self.codebook.weight)
        self.decoder = nn.Sequential(nn.Linear(4 * width, 128), nn.ReLU(), nn.Linear(128, PIXELS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(x).view(-1, self.width)
        found = self.codebook(torch.cdist(code, self.codebook.weight).argmin(1))
        commitment = F.mse_loss(found, code.detach()) + 0.25 * F.mse_loss(code, found.detach())
        through = code + (found - code).detach()
        return self.decoder(through.view(len(x), -1)), commitment


class BayesianLinear(nn.Module):
    """Weights sampled in each pass from their mean-field posterior; its standard deviations start small."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.empty(outputs, inputs + 1).uniform_(-(inputs**-0.5), inputs**-0.5))
        self.rho = nn.Parameter(torch.full((outputs, inputs + 1), -5.0))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.mu + F.softplus(self.rho) * torch.randn_like(self.mu)
        return F.linear(x, weight[:, :-1], weight[:, -1])

    def divergence(self) -> Tensor:
        variance = F.softplus(self.rho) ** 2
        return 0.5 * (self.mu**2 + variance - variance.log() - 1).sum()


class BayesianMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = BayesianLinear(32, 64), BayesianLinear(64, 64), BayesianLinear(64, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
        return logits, sum((layer.divergence() for layer in self.children()), torch.zeros(()))


def energy_based() -> Case:
    """Data, in the first half of the batch, should have lower energy than noise, with a penalty on large energies."""
    model = nn.Sequential(
        nn.Linear(DIMENSIONS, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 1), nn.Flatten(0)
    )
    data = rings(64)
    noise = torch.randn(data.shape, generator=draws.fresh()).flip(0)

    def contrast(energy: Tensor) -> Tensor:
        real, fake = energy.chunk(2)
        return real.mean() - fake.mean() + 0.1 * (real**2 + fake**2).mean()

    return Case(model, torch.cat([data, noise]), contrast)


def variational() -> Case:
    pictures = draws.blobs()

    def negative_bound(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        logits, mean, log_variance = output
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        return (F.binary_cross_entropy_with_logits(logits, pictures, reduction="sum") + divergence) / len(pictures)

    return Case(Variational(), pictures, negative_bound)


def quantized() -> Case:
    pictures = (draws.blobs() - 0.25) / 0.3
    return Case(Quantized(), pictures, lambda output: F.mse_loss(output[0], pictures) + output[1])


def bayesian() -> Case:
    inputs, labels = draws.vectors()
    return Case(BayesianMLP(), inputs, lambda output: F.cross_entropy(output[0], labels) + output[1] / 50000)


NETS: tuple[Net, ...] = (
    Net("everyday/energy_based", "energy model", energy_based),
    Net("everyday/vector_vae", "variational autoencoder", variational),
    Net("everyday/vector_vq_vae", "VQ-VAE", quantized),
    Net("everyday/bayesian_mlp", "Bayesian MLP", bayesian),
)
