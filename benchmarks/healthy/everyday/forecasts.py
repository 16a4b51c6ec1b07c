"""Healthy forecasting networks that predict the next part of a curve."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

PAST, AHEAD = 48, 12


class ResidualBlocks(nn.Module):
    """Generic N-BEATS: every block models a part of the past, which is subtracted, and of the future."""

    def __init__(self, blocks: int = 4, width: int = 64, basis: int = 16) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(self.body(width) for _ in range(blocks))
        self.thetas = nn.ModuleList(nn.Linear(width, basis, bias=False) for _ in range(2 * blocks))
        self.backcasts = nn.ModuleList(nn.Linear(basis, PAST) for _ in range(blocks))
        self.forecasts = nn.ModuleList(nn.Linear(basis, AHEAD) for _ in range(blocks))

    @staticmethod
    def body(width: int) -> nn.Sequential:
        body = nn.Sequential(nn.Linear(PAST, width), nn.ReLU())
        for _ in range(3):
            body.extend([nn.Linear(width, width), nn.ReLU()])
        return body

    def forward(self, past: Tensor) -> Tensor:
        forecast = past.new_zeros(len(past), AHEAD)
        for i, body in enumerate(self.bodies):
            hidden = body(past)
            past = past - self.backcasts[i](self.thetas[2 * i](hidden))
            forecast = forecast + self.forecasts[i](self.thetas[2 * i + 1](hidden))
        return forecast


class Decomposed(nn.Module):
    """DLinear: one linear layer each for trend and season; all weights start as a plain mean."""

    def __init__(self, window: int = 13) -> None:
        super().__init__()
        self.average = nn.AvgPool1d(window, stride=1)
        self.padding = window // 2
        self.season, self.trend = nn.Linear(PAST, AHEAD), nn.Linear(PAST, AHEAD)
        for linear in (self.season, self.trend):
            linear.weight = nn.Parameter(torch.ones(AHEAD, PAST) / PAST)

    def forward(self, past: Tensor) -> Tensor:
        trend = self.average(F.pad(past[:, None], (self.padding, self.padding), mode="replicate")).squeeze(1)
        return self.season(past - trend) + self.trend(trend)


class TransposedBatchNorm(nn.BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class PatchLayer(nn.Module):
    """PatchTST's layer: attention and feed-forward, each added to its input before BatchNorm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm1, self.norm2 = TransposedBatchNorm(width), TransposedBatchNorm(width)
        self.ff = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Dropout(0.1), nn.Linear(128, width))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, x, x, need_weights=False)[0])
        return self.norm2(x + self.ff(x))


class Patched(nn.Module):
    """Overlapping patches of a curve that is standardized by itself, then a transformer; positions uniform in 0.02."""

    def __init__(self, width: int = 64, patch: int = 8, stride: int = 4, layers: int = 3) -> None:
        super().__init__()
        self.patch, self.stride = patch, stride
        patches = (PAST - patch) // stride + 1
        self.embed, self.places = nn.Linear(patch, width), nn.Parameter(torch.empty(patches, width))
        nn.init.uniform_(self.places, -0.02, 0.02)
        self.layers = nn.Sequential(*(PatchLayer(width) for _ in range(layers)))
        self.head = nn.Linear(patches * width, AHEAD)
        self.affine = nn.ParameterDict({"weight": torch.ones(1), "bias": torch.zeros(1)})

    def forward(self, past: Tensor) -> Tensor:
        mean, deviation = past.mean(1, keepdim=True).detach(), past.std(1, keepdim=True).detach() + 1e-5
        past = (past - mean) / deviation * self.affine["weight"] + self.affine["bias"]
        x = self.layers(self.embed(past.unfold(1, self.patch, self.stride)) + self.places)
        ahead = self.head(x.flatten(1))
        return (ahead - self.affine["bias"]) / (self.affine["weight"] + 1e-10) * deviation + mean


class DeepAR(nn.Module):
    """An LSTM that outputs mean and standard deviation of each next value."""

    def __init__(self, hidden: int = 40) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.mean, self.pre_deviation = nn.Linear(hidden, 1), nn.Linear(hidden, 1)
        for name, parameter in self.lstm.named_parameters():
            if "bias" in name:
                parameter.data[hidden : 2 * hidden].fill_(1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states = self.lstm(x[..., None])[0]
        return self.mean(states).squeeze(-1), F.softplus(self.pre_deviation(states)).squeeze(-1) + 1e-3


def forecaster(model: nn.Module, huber: bool = False) -> Case:
    past, ahead = draws.curves(64, PAST + AHEAD).split([PAST, AHEAD], 1)
    return Case(model, past, lambda out: F.smooth_l1_loss(out, ahead) if huber else F.mse_loss(out, ahead))


def deep_ar() -> Case:
    curve = draws.curves(32, PAST)
    return Case(DeepAR(), curve[:, :-1], lambda out: F.gaussian_nll_loss(out[0], curve[:, 1:], out[1] ** 2))


NETS: tuple[Net, ...] = (
    Net("everyday/nbeats", "N-BEATS", lambda: forecaster(ResidualBlocks(), huber=True)),
    Net("everyday/dlinear", "DLinear", lambda: forecaster(Decomposed())),
    Net("everyday/patchtst", "patchtst", lambda: forecaster(Patched())),
    Net("everyday/deepar", "DeepAR", deep_ar),
)
