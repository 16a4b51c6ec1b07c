"""A two-layer LSTM classifier, written in three ways."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import CLASSES

INPUTS = 8
HIDDEN = 32


class ModuleLSTM(nn.Module):
    """Classifies ``(samples, positions, INPUTS)`` by the last hidden state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, HIDDEN, num_layers=2, batch_first=True)
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.lstm(x)[0][:, -1])
        return out


class FunctionLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(INPUTS, HIDDEN), nn.LSTMCell(HIDDEN, HIDDEN)])
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        zero = x.new_zeros(x.shape[0], HIDDEN)
        states = [(zero, zero) for _ in self.cells]
        for step in x.unbind(1):
            for i, cell in enumerate(self.cells):
                states[i] = cell(step, states[i])
                step = states[i][0]
        out: Tensor = self.head(step)
        return out


class ParameterLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w_in = nn.ParameterList(torch.empty(4 * HIDDEN, inputs) for inputs in (INPUTS, HIDDEN))
        self.w_state = nn.ParameterList(torch.empty(4 * HIDDEN, HIDDEN) for _ in range(2))
        self.b_in = nn.ParameterList(torch.empty(4 * HIDDEN) for _ in range(2))
        self.b_state = nn.ParameterList(torch.empty(4 * HIDDEN) for _ in range(2))
        self.head_w = nn.Parameter(torch.empty(CLASSES, HIDDEN))
        self.head_b = nn.Parameter(torch.empty(CLASSES))

    def parameter_order(self) -> list[str]:
        order = [f"{stem}.{i}" for i in range(2) for stem in ("w_in", "w_state", "b_in", "b_state")]
        return [*order, "head_w", "head_b"]

    def cell(self, x: Tensor, h: Tensor, c: Tensor, i: int) -> tuple[Tensor, Tensor]:
        gates = F.linear(x, self.w_in[i], self.b_in[i]) + F.linear(h, self.w_state[i], self.b_state[i])
        opened, forget, value, out = gates.chunk(4, 1)
        c = forget.sigmoid() * c + opened.sigmoid() * value.tanh()
        return out.sigmoid() * c.tanh(), c

    def forward(self, x: Tensor) -> Tensor:
        zero = x.new_zeros(x.shape[0], HIDDEN)
        states = [(zero, zero), (zero, zero)]
        for step in x.unbind(1):
            for i in range(2):
                states[i] = self.cell(step, *states[i], i)
                step = states[i][0]
        return F.linear(step, self.head_w, self.head_b)


LSTM_TWINS: dict[str, Callable[[], nn.Module]] = {"functions": FunctionLSTM, "parameters": ParameterLSTM}
