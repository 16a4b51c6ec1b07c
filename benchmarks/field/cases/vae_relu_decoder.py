"""yzhao062/pyod#651: the decoder of a variational autoencoder ends in a ReLU, and the data are standardized."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

FEATURES, LATENT = 20, 4
MIXING = torch.randn(LATENT, FEATURES, generator=generator(-1)) / LATENT**0.5


class Vae(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.z_mean, self.z_log = nn.Linear(32, LATENT), nn.Linear(32, LATENT)
        self.decoder = nn.Sequential(nn.Linear(LATENT, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU())
        self.output = nn.Linear(64, FEATURES)
        self.activation = nn.ReLU() if broken else nn.Identity()

    def forward(self, samples: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        encoded = self.encoder(samples)
        z_mean, z_log = self.z_mean(encoded), self.z_log(encoded)
        decoded = self.decoder(z_mean + noise * (z_log / 2).exp())
        return self.activation(self.output(decoded)), z_mean, z_log


def batch(i: int) -> Batch:
    g = generator(i)
    latent, noise = torch.randn(2, 64, LATENT, generator=g)
    samples = latent @ MIXING + 0.2 * torch.randn(64, FEATURES, generator=g)

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        decoded, z_mean, z_log = output
        divergence = (z_mean**2 + z_log.exp() - 1 - z_log).sum(1) / 2
        errors = 5 * ((decoded - samples) ** 2).sum(1)
        return (errors + divergence).mean()

    return (samples, noise), loss


CASE = Case(
    name="vae_relu_decoder",
    source="yzhao062/pyod#651",
    fault="A ReLU follows the decoder's last layer, which cannot return the negative half of standardized data.",
    build=Vae,
    batch=batch,
    rules=("IH204", "IH208"),
    layers=("output", "activation"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=400,
)
