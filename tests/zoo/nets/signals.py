"""Common networks for sequences and signals."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pack_padded_sequence

from ..batches import CLASSES, FEATURES, VOCABULARY


class GRUClassifier(nn.Module):
    """Classifies tokens ``(samples, positions)``."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 32)
        self.gru = nn.GRU(32, 32, batch_first=True)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.gru(self.embed(x))[0][:, -1])
        return out


class BidirectionalLSTM(nn.Module):
    """Classifies ``(samples, positions, 8)`` of the given lengths, packed."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 24, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, CLASSES)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        hidden = self.lstm(packed)[1][0]
        out: Tensor = self.head(torch.cat([hidden[-2], hidden[-1]], 1))
        return out


class AudioNet(nn.Sequential):
    """Strided one-dimensional convolutions on ``(samples, 1, time)``."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv1d(1, 16, 9, 4), nn.BatchNorm1d(16), nn.ReLU(),
            nn.Conv1d(16, 32, 5, 2), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Conv1d(32, 32, 5, 2), nn.BatchNorm1d(32), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, CLASSES),
        )  # fmt: skip


class TemporalNet(nn.Module):
    """Dilated causal convolutions with weight norm and residual connections."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(8, 24, 1)
        self.convs = nn.ModuleList(weight_norm(nn.Conv1d(24, 24, 3, dilation=2**i)) for i in range(3))
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.transpose(1, 2))
        for i, conv in enumerate(self.convs):
            x = x + F.relu(conv(F.pad(x, (2 ** (i + 1), 0))))
        out: Tensor = self.head(x[:, :, -1])
        return out


class SharedEncoder(nn.Module):
    """One transformer block applied six times."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, 32)
        self.block = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for _ in range(6):
            x = self.block(x)
        out: Tensor = self.head(x.mean(1))
        return out


class Translator(nn.Module):
    """``nn.Transformer`` with its defaults; token logits of the target ``(samples, positions, VOCABULARY)``."""

    def __init__(self) -> None:
        super().__init__()
        self.source = nn.Embedding(VOCABULARY, 32)
        self.target = nn.Embedding(VOCABULARY, 32)
        self.positions = nn.Parameter(0.02 * torch.randn(64, 32))
        self.transformer = nn.Transformer(32, 4, 2, 2, 64, 0.1, batch_first=True)
        self.head = nn.Linear(32, VOCABULARY)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        left = self.source(source) + self.positions[: source.shape[1]]
        right = self.target(target) + self.positions[: target.shape[1]]
        out: Tensor = self.head(self.transformer(left, right, tgt_mask=mask))
        return out


class MixerBlock(nn.Module):
    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.across = nn.Sequential(nn.Linear(positions, 32), nn.GELU(), nn.Linear(32, positions))
        self.within = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return cast(Tensor, x + self.within(self.norms[1](x)))


class Mixer(nn.Module):
    """MLP-Mixer on 16 patches of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.blocks = nn.Sequential(*(MixerBlock(16, 32) for _ in range(4)))
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        out: Tensor = self.head(self.norm(self.blocks(x)).mean(1))
        return out
