"""google-research/flood-forecasting#278: the bias of the forget gates is set in the first LSTM layer only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

DAYS, WIDTH, LAYERS, FORGET = 60, 24, 3, 3.0


class Hydrology(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, WIDTH, LAYERS, batch_first=True)
        self.head = nn.Linear(WIDTH, 1)
        with torch.no_grad():
            for layer in range(1 if broken else LAYERS):
                getattr(self.lstm, f"bias_hh_l{layer}")[WIDTH : 2 * WIDTH] = FORGET

    def forward(self, weather: Tensor) -> Tensor:
        return self.head(self.lstm(weather)[0][:, -1])[:, 0]


def batch(i: int) -> Batch:
    """Rain is stored as snow when it is cold, melts when it is warm, and leaves the ground slowly."""
    g = generator(i)
    rain = torch.rand(64, DAYS, generator=g) * (torch.rand(64, DAYS, generator=g) < 0.3)
    season = 6.28 * (torch.arange(DAYS) / DAYS + torch.rand(64, 1, generator=g))
    warmth = torch.sin(season) + 0.3 * torch.randn(64, DAYS, generator=g)
    wind = torch.randn(64, DAYS, generator=g)
    snow, ground = torch.zeros(64), torch.zeros(64)
    for day in range(DAYS):
        melted = snow * warmth[:, day].clamp(0, 1)
        snow = snow - melted + rain[:, day] * (warmth[:, day] < 0)
        ground = 0.95 * ground + melted + rain[:, day] * (warmth[:, day] >= 0)
    flow = (ground - 2.5) / 1.3
    weather = torch.stack([(rain - 0.15) / 0.28, warmth / 0.77, wind], 2)
    return (weather,), lambda output: F.mse_loss(output, flow)


CASE = Case(
    name="forget_bias_upper_layers",
    source="google-research/flood-forecasting#278",
    fault="The initialization sets the bias of the forget gates in bias_hh_l0 and misses the layers above.",
    build=Hydrology,
    batch=batch,
    rules=("IH102",),
    layers=("lstm",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=200,
)
