"""USGS-R/river-dl#139: all weights of a recurrent graph network are drawn from N(0, 0.02), and its gradients vanish."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

REACHES, WIDTH, DAYS, FORCINGS = 6, 16, 24, 4
UPSTREAM = torch.diag(torch.full((REACHES - 1,), 0.5), -1) + 0.5 * torch.eye(REACHES)
EFFECTS = torch.randn(FORCINGS, generator=generator(-1))


class Rgcn(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(FORCINGS, 4 * WIDTH))
        self.weight_hh = nn.Parameter(torch.empty(WIDTH, 4 * WIDTH))
        self.bias = nn.Parameter(torch.zeros(4 * WIDTH))
        self.graph_h, self.graph_c = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.cur_h, self.prev_h = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.cur_c, self.prev_c = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.dense = nn.Linear(WIDTH, 1)
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.zeros_(parameter)
            elif broken:
                nn.init.normal_(parameter, std=0.02)
            else:
                nn.init.xavier_uniform_(parameter)

    def forward(self, forcings: Tensor) -> Tensor:
        """Temperatures (rivers, days, reaches) from forcings (rivers, days, reaches, forcings)."""
        hidden = cell = forcings.new_zeros(len(forcings), REACHES, WIDTH)
        temperatures = []
        for today in forcings.unbind(1):
            enter, forget, new, leave = (today @ self.weight_ih + hidden @ self.weight_hh + self.bias).chunk(4, -1)
            kept = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            shown = leave.sigmoid() * kept.tanh()
            graph_h, graph_c = (UPSTREAM @ self.graph_h(hidden)).tanh(), (UPSTREAM @ self.graph_c(cell)).tanh()
            hidden = (self.cur_h(shown) + self.prev_h(graph_h)).sigmoid()
            cell = (self.cur_c(kept) + self.prev_c(graph_c)).sigmoid()
            temperatures.append(self.dense(hidden)[..., 0])
        return torch.stack(temperatures, 1)


def batch(i: int) -> Batch:
    """Each reach warms with its weather and with the reach upstream of it, a day later."""
    g = generator(i)
    forcings = torch.randn(16, DAYS, REACHES, FORCINGS, generator=g)
    water, days = torch.zeros(16, REACHES), []
    for today in forcings.unbind(1):
        water = 0.7 * water @ UPSTREAM.T + torch.tanh(today @ EFFECTS)
        days.append(water)
    target = torch.stack(days, 1)
    return (forcings,), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="rgcn_small_normal",
    source="USGS-R/river-dl#139",
    fault="All weights have std 0.02, so the input hardly reaches the output and little gradient comes back.",
    build=Rgcn,
    batch=batch,
    rules=("IH106", "IH201", "IH301"),
    layers=(
        "weight_ih",
        "weight_hh",
        "graph_h",
        "graph_c",
        "cur_h",
        "prev_h",
        "cur_c",
        "prev_c",
        "dense",
    ),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=200,
)
