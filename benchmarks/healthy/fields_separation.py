"""Source separation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .fields_audio import words


class GlobalNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(1, width, 1)), nn.Parameter(torch.zeros(1, width, 1))

    def forward(self, y: Tensor) -> Tensor:
        mean = y.mean((1, 2), keepdim=True)
        return self.gamma * (y - mean) / torch.sqrt((y - mean).pow(2).mean((1, 2), keepdim=True) + 1e-8) + self.beta


class TemporalBlock(nn.Sequential):
    def __init__(self, width: int, inner: int, dilation: int) -> None:
        super().__init__(
            nn.Conv1d(width, inner, 1, bias=False), nn.PReLU(), GlobalNorm(inner),
            nn.Conv1d(inner, inner, 3, padding=dilation, dilation=dilation, groups=inner, bias=False), nn.PReLU(),
            GlobalNorm(inner), nn.Conv1d(inner, width, 1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class ConvTasNet(nn.Module):
    """Two sources ``(samples, 2, length)`` by masks on a learned transform; Xavier normal initialization."""

    def __init__(self, filters: int = 64, kernel: int = 16, width: int = 32, inner: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(1, filters, kernel, kernel // 2, bias=False)
        blocks = [TemporalBlock(width, inner, 2**i) for _ in range(2) for i in range(4)]
        first = nn.Conv1d(filters, width, 1, bias=False)
        last = nn.Conv1d(width, 2 * filters, 1, bias=False)
        self.separator = nn.Sequential(GlobalNorm(filters), first, *blocks, last)
        self.decoder = nn.ConvTranspose1d(filters, 1, kernel, kernel // 2, bias=False)
        for p in self.parameters():
            if p.dim() > 1 and p.shape[0] > 1:
                nn.init.xavier_normal_(p)

    def forward(self, mixture: Tensor) -> Tensor:
        w = F.relu(self.encoder(mixture))
        masks = F.relu(self.separator(w)).unflatten(1, (2, -1))
        return self.decoder((masks * w[:, None]).flatten(0, 1)).view(len(mixture), 2, -1)


def separate(generator: Generator) -> Drawn:
    """Scale-invariant signal-to-noise ratio of the better one of the two assignments."""
    sources = torch.cat([words(generator, 8, 1600)[0], words(generator, 8, 1600)[0].flip(2)], 1)
    sources = sources - sources.mean(2, keepdim=True)

    def ratio(estimate: Tensor, source: Tensor) -> Tensor:
        target = (estimate * source).sum(2, keepdim=True) * source / (source.pow(2).sum(2, keepdim=True) + 1e-8)
        noise = estimate - target
        return 10 * torch.log10(target.pow(2).sum(2) / (noise.pow(2).sum(2) + 1e-8) + 1e-8)

    def loss(output: Tensor) -> Tensor:
        estimate = output - output.mean(2, keepdim=True)
        both = torch.stack([ratio(estimate, sources).mean(1), ratio(estimate, sources.flip(1)).mean(1)])
        return -both.max(0).values.mean()

    return sources.sum(1, keepdim=True), loss


NETS = (everyday("conv-tasnet", "source separation", ConvTasNet, separate),)
