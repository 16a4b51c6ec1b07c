"""Image autoencoders."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_draws import handwriting, pictures, to_unit


def conv_autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 8),
        nn.ConvTranspose2d(64, 32, 8),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 3, stride=2, padding=1, output_padding=1),
        nn.Sigmoid(),
    )


def same_picture(generator: Generator) -> Drawn:
    images = to_unit(pictures(generator, 32, 32)[0])
    return images, lambda output: F.mse_loss(output, images)


class PlainVAE(nn.Module):
    """PyTorch's example, on 16 x 16 digits."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(256, 200)
        self.fc21 = nn.Linear(200, 20)
        self.fc22 = nn.Linear(200, 20)
        self.fc3 = nn.Linear(20, 200)
        self.fc4 = nn.Linear(200, 256)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = F.relu(self.fc1(x.view(-1, 256)))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


def summed_elbo(generator: Generator) -> Drawn:
    """Summed over the batch, too, as in that example."""
    images = handwriting(generator, 128, 16)[0]
    images = (images - images.amin()) / (images.amax() - images.amin())

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        reconstruction, mu, logvar = output
        pixels = F.binary_cross_entropy(reconstruction, images.view(-1, 256), reduction="sum")
        return pixels - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())

    return images, loss


class ConvVAE(nn.Module):
    def __init__(self, widths: tuple[int, ...] = (32, 64, 128), code: int = 64) -> None:
        super().__init__()
        down = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.LeakyReLU())
            for a, b in pairwise((3, *widths))
        ]
        self.encoder = nn.Sequential(*down)
        self.fc_mu, self.fc_var = (nn.Linear(widths[-1] * 16, code) for _ in range(2))
        self.decoder_input = nn.Linear(code, widths[-1] * 16)
        turned = (*widths[::-1], widths[0])
        up = [
            nn.Sequential(nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1), nn.BatchNorm2d(b), nn.LeakyReLU())
            for a, b in pairwise(turned)
        ]
        self.decoder = nn.Sequential(*up)
        self.final_layer = nn.Sequential(nn.Conv2d(widths[0], 3, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(x).flatten(1)
        mu, logvar = self.fc_mu(hidden), self.fc_var(hidden)
        z = mu + torch.randn_like(mu) * (logvar / 2).exp()
        decoded = self.decoder(self.decoder_input(z).view(len(x), -1, 4, 4))
        return self.final_layer(decoded), mu, logvar


def weighted_elbo(generator: Generator) -> Drawn:
    images = to_unit(pictures(generator, 32, 32)[0]) * 2 - 1

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        reconstruction, mu, logvar = output
        divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
        return F.mse_loss(reconstruction, images) + 0.00025 * divergence

    return images, loss


class Residual(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(
            nn.ReLU(), nn.Conv2d(width, width // 2, 3, padding=1, bias=False),
            nn.ReLU(), nn.Conv2d(width // 2, width, 1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class VQVAE(nn.Module):
    """Codes from a table that starts in ``U(-1/codes, 1/codes)``, with a straight-through gradient."""

    def __init__(self, width: int = 64, code: int = 32, codes: int = 128) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width // 2, 4, 2, 1), nn.ReLU(), nn.Conv2d(width // 2, width, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1), Residual(width), Residual(width), nn.ReLU(),
        )  # fmt: skip
        self.pre_vq = nn.Conv2d(width, code, 1)
        self.codebook = nn.Embedding(codes, code)
        self.codebook.weight.data.uniform_(-1 / codes, 1 / codes)
        self.decoder = nn.Sequential(
            nn.Conv2d(code, width, 3, 1, 1), Residual(width), Residual(width), nn.ReLU(),
            nn.ConvTranspose2d(width, width // 2, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(width // 2, 3, 4, 2, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.pre_vq(self.encoder(x)).permute(0, 2, 3, 1)
        flat = z.reshape(-1, z.shape[-1])
        nearest = torch.cdist(flat, self.codebook.weight).argmin(1)
        quantized = self.codebook(nearest).view_as(z)
        extra = F.mse_loss(quantized, z.detach()) + 0.25 * F.mse_loss(z, quantized.detach())
        passed = z + (quantized - z).detach()
        return self.decoder(passed.permute(0, 3, 1, 2)), extra


def quantized_loss(generator: Generator) -> Drawn:
    """Pixels are in [-0.5, 0.5], and errors are in units of the data's variance, as in DeepMind's example."""
    images = to_unit(pictures(generator, 32, 32)[0]) - 0.5
    return images, lambda output: F.mse_loss(output[0], images) / images.var() + output[1]


NETS = (
    everyday("autoencoder", "convolutional autoencoder", conv_autoencoder, same_picture),
    everyday("vae-mlp", "variational autoencoder", PlainVAE, summed_elbo),
    everyday("vae-conv", "variational autoencoder", ConvVAE, weighted_elbo),
    everyday("vqvae", "VQ-VAE", VQVAE, quantized_loss),
)
