"""shekkizh/TensorflowProjects#1: a ReLU follows the heads of a variational autoencoder: mean and log-variance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SIDE, LATENT = 8, 6
DIRECTIONS = F.interpolate(torch.randn(LATENT, 1, 3, 3, generator=generator(-1)), SIDE, mode="bilinear")


class Vae(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIDE**2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.mu, self.log_var = nn.Linear(64, LATENT), nn.Linear(64, LATENT)
        self.decoder = nn.Sequential(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.pixels = nn.Linear(64, SIDE**2)
        self.broken = broken

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        encoded = self.encoder(images)
        mu, log_var = self.mu(encoded), self.log_var(encoded)
        if self.broken:
            mu, log_var = F.relu(mu), F.relu(log_var)
        latent = mu + noise * (log_var / 2).exp()
        return self.pixels(self.decoder(latent)), mu, log_var


def batch(i: int) -> Batch:
    g = generator(i)
    latent, noise = torch.randn(2, 64, LATENT, generator=g)
    images = (torch.einsum("bk,kxy->bxy", latent, DIRECTIONS[:, 0]) > 0).float().flatten(1)

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        pixels, mu, log_var = output
        divergence = (mu**2 + log_var.exp() - 1 - log_var).sum(1) / 2
        errors = F.binary_cross_entropy_with_logits(pixels, images, reduction="none").sum(1)
        return (errors + divergence).mean()

    return (images, noise), loss


CASE = Case(
    name="vae_relu_heads",
    source="shekkizh/TensorflowProjects#1",
    fault="A ReLU follows the mean and the log-variance of the latent code, so both can only be positive.",
    build=Vae,
    batch=batch,
    rules=("IH204", "IH208"),
    layers=("mu", "log_var"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=400,
)
