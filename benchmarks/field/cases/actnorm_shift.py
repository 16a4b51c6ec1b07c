"""rll/deepul#6: ActNorm takes its shift from the first batch, but does not divide it by the standard deviation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CHANNELS, SIDE = 4, 4
BLUR = torch.full((1, 1, 3, 3), 1 / 9)


class ActNorm(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1, CHANNELS, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, CHANNELS, 1, 1))
        self.register_buffer("initialized", torch.tensor(False))
        self.broken = broken

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not self.initialized:
            with torch.no_grad():
                std, mean = torch.std_mean(x, (0, 2, 3), keepdim=True)
                self.log_scale.copy_(-std.log())
                self.shift.copy_(-mean if self.broken else -mean / std)
                self.initialized.fill_(True)
        return x * self.log_scale.exp() + self.shift, SIDE**2 * self.log_scale.sum()


class AffineCoupling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(2, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU())
        self.last = nn.Conv2d(32, 4, 3, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.chunk(2, 1)
        log_scale, shift = self.last(self.net(kept)).chunk(2, 1)
        log_scale = log_scale.tanh()
        return torch.cat([changed * log_scale.exp() + shift, kept], 1), log_scale.sum((1, 2, 3))


class RealNvp(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.flow = nn.ModuleList(module for _ in range(4) for module in (ActNorm(broken), AffineCoupling()))

    def forward(self, images: Tensor) -> Tensor:
        """Negative log-likelihood for each pixel, without its constant."""
        x, volume = F.pixel_unshuffle(images, 2), torch.zeros(len(images))
        for step in self.flow:
            x, change = step(x)
            volume = volume + change
        return (0.5 * (x**2).sum((1, 2, 3)) - volume).mean() / images[0].numel()


def batch(i: int) -> Batch:
    """Smooth images with pixels between 0 and 1."""
    images = torch.randn(64, 1, 2 * SIDE + 2, 2 * SIDE + 2, generator=generator(i))
    images = (0.5 + 0.3 * F.conv2d(images, BLUR)).clamp(0, 1)
    return (images,), lambda output: output


CASE = Case(
    name="actnorm_shift",
    source="rll/deepul#6",
    fault="ActNorm's first outputs are not centered, because its shift is -mean where -mean / std is right.",
    build=RealNvp,
    batch=batch,
    rules=("IH202", "IH203", "IH208"),
    layers=("flow.0",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
)
