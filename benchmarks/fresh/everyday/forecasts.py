"""Forecasts and classification of time series."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.healthy.transformers_signals import series
from benchmarks.nets import Net

PAST, FUTURE, CHANNELS, KINDS = 48, 12, 4, 6


class PacedBlock(nn.Module):
    """An MLP on the pooled past; its coefficients are interpolated to a forecast."""

    def __init__(self, pace: int, width: int) -> None:
        super().__init__()
        self.pool, self.knots = nn.MaxPool1d(pace, pace, ceil_mode=True), max(1, FUTURE // pace)
        self.mlp = nn.Sequential(
            nn.Linear(-(-PAST // pace), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, PAST + self.knots),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        backcast, knots = self.mlp(self.pool(x[:, None])[:, 0]).split((PAST, self.knots), 1)
        return backcast, F.interpolate(knots[:, None], size=FUTURE, mode="linear")[:, 0]


class NHiTS(nn.Module):
    """Challu et al. (2023); PyTorch's initialization."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(PacedBlock(pace, width) for pace in (8, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        total = x[:, -1:].expand(-1, FUTURE)
        for block in self.blocks:
            backcast, forecast = block(x)
            x, total = x - backcast, total + forecast
        return total


class GatedResidual(nn.Module):
    """Lim et al. (2021): a small MLP with a gate, a skip connection and a LayerNorm."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2, self.gate = nn.Linear(inputs, width), nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.skip = nn.Linear(inputs, width) if inputs != width else nn.Identity()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.skip(x) + F.glu(self.gate(self.fc2(F.elu(self.fc1(x))))))


class TemporalFusion(nn.Module):
    """Variable selection, an LSTM, attention over time, and quantiles (Lim et al. 2021); PyTorch's initialization."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.variables = nn.ModuleList(nn.Linear(1, width) for _ in range(CHANNELS))
        self.each = nn.ModuleList(GatedResidual(width, width) for _ in range(CHANNELS))
        self.weights = GatedResidual(CHANNELS * width, CHANNELS)
        self.lstm, self.lstm_gate = nn.LSTM(width, width, batch_first=True), nn.Linear(width, 2 * width)
        self.lstm_norm, self.enriched = nn.LayerNorm(width), GatedResidual(width, width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.attention_norm, self.position = nn.LayerNorm(width), GatedResidual(width, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        vectors = [layer(part[..., None]) for layer, part in zip(self.variables, x.unbind(-1), strict=True)]
        shares = self.weights(torch.cat(vectors, -1)).softmax(-1)
        chosen = torch.stack([layer(part) for layer, part in zip(self.each, vectors, strict=True)], -1)
        chosen = (chosen * shares[..., None, :]).sum(-1)
        hidden = self.lstm_norm(chosen + F.glu(self.lstm_gate(self.lstm(chosen)[0])))
        hidden = self.enriched(hidden)
        later = torch.ones(PAST, PAST).triu(1) > 0
        mixed, _ = self.attention(hidden, hidden, hidden, attn_mask=later, need_weights=False)
        return self.head(self.position(self.attention_norm(hidden + mixed))[:, -FUTURE:])


class Inverted(nn.Module):
    """iTransformer (Liu et al. 2024): every variable is a token; PyTorch's initialization."""

    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.embedding, self.head = nn.Linear(PAST, width), nn.Linear(width, FUTURE)
        layers = (nn.TransformerEncoderLayer(width, 4, 128, 0.1, "gelu", batch_first=True) for _ in range(depth))
        self.layers, self.norm = nn.Sequential(*layers), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True)
        tokens = self.embedding(((x - mean) / deviation).transpose(1, 2))
        return self.head(self.norm(self.layers(tokens))).transpose(1, 2) * deviation + mean


class InceptionBlock(nn.Module):
    """Parallel convolutions of three kernel sizes and a pooling branch."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(inputs, width, 1, bias=False)
        self.wide = nn.ModuleList(nn.Conv1d(width, width, size, padding=size // 2, bias=False) for size in (21, 11, 5))
        self.pooled = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(inputs, width, 1, bias=False))
        self.norm = nn.BatchNorm1d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)
        return F.relu(self.norm(torch.cat([*(conv(narrow) for conv in self.wide), self.pooled(x)], 1)))


class InceptionTime(nn.Module):
    """Ismail Fawaz et al. (2020): a shortcut over every three blocks; Glorot uniform initialization, as in Keras."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        wide = 4 * width
        self.blocks = nn.ModuleList(InceptionBlock(CHANNELS if place == 0 else wide, width) for place in range(6))
        self.shortcuts = nn.ModuleList(
            nn.Sequential(nn.Conv1d(inputs, wide, 1, bias=False), nn.BatchNorm1d(wide)) for inputs in (CHANNELS, wide)
        )
        self.head = nn.Linear(wide, KINDS)
        for part in self.modules():
            if isinstance(part, (nn.Conv1d, nn.Linear)):
                nn.init.xavier_uniform_(part.weight)

    def forward(self, x: Tensor) -> Tensor:
        kept = x = x.transpose(1, 2)
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place % 3 == 2:
                kept = x = F.relu(x + self.shortcuts[place // 3](kept))
        return self.head(x.mean(-1))


def single(generator: Generator) -> Drawn:
    values = series(generator, 48, PAST + FUTURE, 1)[..., 0]
    values = (values - values.mean()) / values.std()
    return values[:, :PAST], lambda made: F.l1_loss(made, values[:, PAST:])


def several(generator: Generator) -> Drawn:
    values = series(generator, 24, PAST + FUTURE, CHANNELS)
    return values[:, :PAST], lambda made: F.mse_loss(made, values[:, PAST:])


def quantiles(generator: Generator) -> Drawn:
    values = series(generator, 24, PAST + FUTURE, CHANNELS)
    values = (values - values.mean((0, 1))) / values.std((0, 1))

    def loss(made: Tensor) -> Tensor:
        error = values[:, PAST:, :1] - made
        level = torch.tensor([0.1, 0.5, 0.9])
        return torch.maximum(level * error, (level - 1) * error).sum(-1).mean()

    return values[:, :PAST], loss


def classified(generator: Generator) -> Drawn:
    kinds = torch.randint(KINDS, (32,), generator=generator)
    time, phase = torch.arange(PAST)[None, :, None] / PAST, torch.rand(32, 1, CHANNELS, generator=generator)
    values = (6.283 * ((kinds[:, None, None] + 1) * time + phase)).sin() * 1.4
    noisy = values + 0.4 * torch.randn(values.shape, generator=generator)
    return noisy, lambda logits: F.cross_entropy(logits, kinds)


NETS: tuple[Net, ...] = (
    everyday("n_hits", "hierarchical interpolation", NHiTS, single),
    everyday("temporal_fusion", "temporal fusion", TemporalFusion, quantiles),
    everyday("inverted_transformer", "inverted transformer", Inverted, several),
    everyday("inception_time", "InceptionTime", InceptionTime, classified),
)
