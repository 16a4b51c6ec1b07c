"""KlingAIResearch/RoboMaster#3: two zero-initialized convolutions in a row add the condition to a diffusion model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

FRAMES, SIZE, WIDTH = 4, 6, 24
MOTION = torch.randn(2, 2, 3, 3, generator=generator(-1)) / 18**0.5


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(4, WIDTH), nn.GroupNorm(4, WIDTH)
        self.conv1, self.conv2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.time = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return x + self.conv2(F.silu(self.norm2(hidden)))


class Denoiser(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.conv_in, self.conv_out = nn.Conv2d(2, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, 2, 3, padding=1)
        self.time = nn.Sequential(nn.Linear(2, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU())
        self.blocks = nn.ModuleList([Block(), Block()])
        self.flow_spatial = nn.Conv2d(2, WIDTH, 3, padding=1)
        self.flow_temporal = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        for module in (self.flow_spatial, self.flow_temporal) if broken else (self.flow_temporal,):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, noisy: Tensor, level: Tensor, flow: Tensor) -> Tensor:
        frames = noisy.shape[1]
        time = self.time(torch.stack([level, (1 - level**2).sqrt()], 1)).repeat_interleave(frames, 0)
        x = self.conv_in(noisy.flatten(0, 1)) + self.condition(flow)
        for block in self.blocks:
            x = block(x, time)
        return self.conv_out(F.silu(x)).view_as(noisy)

    def condition(self, flow: Tensor) -> Tensor:
        spatial = self.flow_spatial(flow.flatten(0, 1)).view(*flow.shape[:2], WIDTH, -1)
        temporal = self.flow_temporal(spatial.permute(0, 3, 2, 1).flatten(0, 1)).view(flow.shape[0], -1, WIDTH, FRAMES)
        return temporal.permute(0, 3, 2, 1).reshape(-1, WIDTH, SIZE, SIZE)


def batch(i: int) -> Batch:
    """Clips that the motion condition determines, and the velocity of the diffusion process as the target."""
    g = generator(i)
    flow, noise = (torch.randn(16, FRAMES, 2, SIZE, SIZE, generator=g) for _ in range(2))
    clean = F.conv2d(flow.flatten(0, 1), MOTION, padding=1).view_as(flow)
    level = 0.3 + 0.65 * torch.rand(16, generator=g)  # share of noise, as an amplitude
    sigma = level[:, None, None, None, None]
    alpha = (1 - sigma**2).sqrt()
    velocity = alpha * noise - sigma * clean
    return (alpha * clean + sigma * noise, level, flow), lambda output: F.mse_loss(output, velocity)


CASE = Case(
    name="two_zero_modules",
    source="KlingAIResearch/RoboMaster#3",
    fault="Two consecutive zero-initialized convolutions: each multiplies the gradient of the other by zero.",
    build=Denoiser,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("flow_spatial", "flow_temporal"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
)
