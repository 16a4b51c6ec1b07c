"""Healthy networks for series: convolutions over time."""

from __future__ import annotations

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ...nets import Case, Net
from . import draws

CHANNELS, CLASSES = 4, 6


class TemporalBlock(nn.Module):
    """Two dilated causal convolutions with weight norm, and a shortcut that matches the channels (TCN)."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.padding = 2 * dilation
        self.conv1 = weight_norm(nn.Conv1d(inputs, outputs, 3, padding=self.padding, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(outputs, outputs, 3, padding=self.padding, dilation=dilation))
        self.dropout = nn.Dropout(0.1)
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(self.conv1(x)[..., : -self.padding].relu())
        out = self.dropout(self.conv2(out)[..., : -self.padding].relu())
        return F.relu(out + self.downsample(x))


class TemporalConvolutions(nn.Module):
    def __init__(self, width: int = 32, levels: int = 4) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(TemporalBlock(width if i else CHANNELS, width, dilation=2**i) for i in range(levels))
        )
        self.linear = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.network(x.transpose(1, 2))[:, :, -1])


class WaveNet(nn.Module):
    """Gated dilated convolutions with skips to the output, Xavier weights; logits of the next quantized sample."""

    def __init__(self, levels: int = 64, width: int = 24, layers: int = 8) -> None:
        super().__init__()
        self.embed = nn.Embedding(levels, width)
        self.dilated, self.residual, self.skip = (nn.ModuleList() for _ in range(3))
        for i in range(layers):
            self.dilated.append(nn.Conv1d(width, 2 * width, 2, dilation=2 ** (i % 4)))
            self.residual.append(nn.Conv1d(width, width, 1))
            self.skip.append(nn.Conv1d(width, 64, 1))
        self.end = nn.Sequential(nn.ReLU(), nn.Conv1d(64, 64, 1), nn.ReLU(), nn.Conv1d(64, levels, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, samples: Tensor) -> Tensor:
        x, skipped = self.embed(samples).transpose(1, 2), 0
        for dilated, residual, skip in zip(self.dilated, self.residual, self.skip, strict=True):
            value, gate = dilated(F.pad(x, (dilated.dilation[0], 0))).chunk(2, 1)
            hidden = torch.tanh(value) * torch.sigmoid(gate)
            skipped = skipped + skip(hidden)
            x = (x + residual(hidden)) * 0.5**0.5
        return self.end(skipped).transpose(1, 2)


def wave_net() -> Case:
    """A wave in 64 mu-law levels."""
    wave = (draws.curves(16, 65) / 3).clamp(-1, 1)
    levels = ((wave.sign() * torch.log1p(63 * wave.abs()) / log(64) + 1) / 2 * 63).round().long()
    return draws.classifying(WaveNet(), levels[:, :-1], levels[:, 1:])


def fully_convolutional() -> nn.Module:
    """Convolutions with BatchNorm and a mean over time (Wang et al. 2017), initialized as in Keras."""
    layers: list[nn.Module] = []
    for inputs, outputs, size in ((CHANNELS, 32, 7), (32, 64, 5), (64, 32, 3)):
        layers += [nn.Conv1d(inputs, outputs, size, padding="same"), nn.BatchNorm1d(outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    for module in model:
        if isinstance(module, nn.Conv1d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return model


def convolutional() -> Case:
    waves, kind = draws.waves(32)
    return draws.classifying(fully_convolutional(), waves.transpose(1, 2), kind)


NETS: tuple[Net, ...] = (
    Net(
        "everyday/temporal_convolutions",
        "temporal convolutions",
        lambda: draws.classifying(TemporalConvolutions(), *draws.waves()),
    ),
    Net("everyday/wavenet", "WaveNet", wave_net),
    Net("everyday/fully_convolutional_series", "convolutional series", convolutional),
)
