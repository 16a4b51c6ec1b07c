"""sktime/pytorch-forecasting#55: the initialization of gated linear units looks for a layer that they do not have."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SERIES, PAST, FUTURE, WIDTH = 5, 20, 5, 24
SEASONS = torch.randn(SERIES, 2, generator=generator(-1))


class GatedLinearUnit(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, 2 * WIDTH)
        for name, parameter in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            elif ("fc2" if broken else "fc") in name:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.fc(x), -1)


class GatedResidual(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.context = nn.Linear(WIDTH, WIDTH, bias=False)
        self.glu, self.norm = GatedLinearUnit(broken), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        hidden = self.fc2(F.elu(self.fc1(x) + self.context(context)[:, None]))
        return self.norm(x + self.glu(hidden))


class Tft(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.static, self.observed, self.clock = nn.Embedding(SERIES, WIDTH), nn.Linear(3, WIDTH), nn.Linear(2, WIDTH)
        self.lstm_encoder = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.lstm_decoder = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.enrich, self.after = GatedResidual(broken), GatedResidual(broken)
        self.gate, self.norm = GatedLinearUnit(broken), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.output = nn.Linear(WIDTH, 1)

    def forward(self, past: Tensor, clock: Tensor, series: Tensor) -> Tensor:
        context = self.static(series)
        encoded, state = self.lstm_encoder(self.observed(past))
        decoded, _ = self.lstm_decoder(self.clock(clock), state)
        x = self.enrich(torch.cat([encoded, decoded], 1), context)
        attended, _ = self.attention(x[:, -FUTURE:], x, x, need_weights=False)
        return self.output(self.after(self.norm(x[:, -FUTURE:] + self.gate(attended)), context))[..., 0]


def batch(i: int) -> Batch:
    """A season that depends on the series, on a level and a slope of each window."""
    g = generator(i)
    series, start = torch.randint(0, SERIES, (32,), generator=g), torch.randint(0, 12, (32, 1), generator=g)
    phase = 2 * torch.pi * (start + torch.arange(PAST + FUTURE)) / 12
    clock = torch.stack([phase.sin(), phase.cos()], -1)
    level, slope = torch.randn(2, 32, 1, generator=g)
    season = (clock * SEASONS[series][:, None]).sum(-1)
    values = season + 0.5 * level + slope * torch.linspace(-1, 1, PAST + FUTURE)
    values = values + 0.1 * torch.randn(32, PAST + FUTURE, generator=g)
    past, future = torch.cat([values[:, :PAST, None], clock[:, :PAST]], -1), values[:, PAST:]
    return (past, clock[:, PAST:], series), lambda output: F.l1_loss(output, future)


CASE = Case(
    name="tft_glu_default",
    source="sktime/pytorch-forecasting#55",
    fault="The name of the layer is misspelled, so the gated linear units keep PyTorch's default weights.",
    build=Tft,
    batch=batch,
    rules=("IH106",),
    layers=("enrich.glu", "after.glu", "gate"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=150,
    fresh=True,
)
