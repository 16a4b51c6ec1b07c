"""jik876/hifi-gan#145: weights are set to N(0, 0.01) after `weight_norm`, which computes them again."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from benchmarks.field.case import Batch, Case, generator

BANDS, FRAMES, CHANNELS, RATES = 8, 12, 32, (4, 4)
STD = 0.04  # the gain that 0.01 has at the original's width
SLOPE = 0.1
PERIODS = torch.tensor([40.0, 29.0, 21.0, 16.0, 11.0, 8.0, 6.0, 4.5])


def normed(conv: nn.Module, broken: bool) -> nn.Module:
    """`conv` with weight normalization, and with its weights set to N(0, STD) either after or before."""
    conv = weight_norm(conv) if broken else conv
    conv.weight.data.normal_(0, STD)
    return conv if broken else weight_norm(conv)


class ResBlock(nn.Module):
    def __init__(self, channels: int, broken: bool) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            normed(nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation), broken) for dilation in (1, 3)
        )
        self.convs2 = nn.ModuleList(normed(nn.Conv1d(channels, channels, 3, padding=1), broken) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for conv1, conv2 in zip(self.convs1, self.convs2, strict=True):
            x = x + conv2(F.leaky_relu(conv1(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class Generator(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        widths = [CHANNELS >> stage for stage in range(len(RATES) + 1)]
        self.conv_pre = weight_norm(nn.Conv1d(BANDS, CHANNELS, 7, padding=3))
        self.ups = nn.ModuleList(
            normed(nn.ConvTranspose1d(widths[stage], widths[stage + 1], 2 * rate, rate, rate // 2), broken)
            for stage, rate in enumerate(RATES)
        )
        self.resblocks = nn.ModuleList(ResBlock(width, broken) for width in widths[1:])
        self.conv_post = normed(nn.Conv1d(widths[-1], 1, 7, padding=3), broken)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.conv_pre(frames)
        for up, block in zip(self.ups, self.resblocks, strict=True):
            x = block(up(F.leaky_relu(x, SLOPE)))
        return torch.tanh(self.conv_post(F.leaky_relu(x)))[:, 0]


def batch(i: int) -> Batch:
    """A frame says how loud each of eight tones is; their phases are always the same."""
    g = generator(i)
    frames = torch.rand(16, BANDS, FRAMES, generator=g) * (torch.rand(16, BANDS, 1, generator=g) < 0.4)
    hop = RATES[0] * RATES[1]
    volume = F.interpolate(frames, FRAMES * hop, mode="linear")
    period_start = torch.arange(FRAMES * hop) % hop
    sound = 0.4 * (volume * torch.sin(2 * torch.pi * period_start / PERIODS[:, None])).sum(1)
    return (frames,), lambda output: 10 * F.l1_loss(output, torch.tanh(sound))


CASE = Case(
    name="hifigan_weight_norm",
    source="jik876/hifi-gan#145",
    fault="The initialization of the generator has no effect, so its convolutions keep PyTorch's default.",
    build=Generator,
    batch=batch,
    rules=("IH106", "IH201", "IH202"),
    layers=("ups", "resblocks", "conv_post"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=150,
    fresh=True,
)
