"""LeelaChessZero/lczero-training#43: Xavier's std without the kernel size; new nets need long before they learn."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SIDE, PLANES, WIDTH, BLOCKS = 6, 5, 16, 3
PIECES = torch.randn(PLANES, SIDE, SIDE, generator=generator(-1))
THREATS = torch.randn(1, PLANES, 3, 3, generator=generator(-2)) / 4


class Conv(nn.Module):
    """A convolution and a normalization without a gain, as in the report."""

    def __init__(self, inputs: int, outputs: int, size: int, broken: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=False)
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        shape = self.conv.weight.shape
        fans = sum(shape) if broken else (inputs + outputs) * size**2
        nn.init.normal_(self.conv.weight, std=math.sqrt(2 / fans))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.bias


class Block(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv(WIDTH, WIDTH, 3, broken), Conv(WIDTH, WIDTH, 3, broken)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class Net(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.input = Conv(PLANES, WIDTH, 3, broken)
        self.tower = nn.Sequential(*(Block(broken) for _ in range(BLOCKS)))
        self.policy, self.value = Conv(WIDTH, 4, 1, broken), Conv(WIDTH, 4, 1, broken)
        self.moves, self.hidden, self.result = (
            nn.Linear(4 * SIDE**2, SIDE**2),
            nn.Linear(4 * SIDE**2, 32),
            nn.Linear(32, 1),
        )
        for linear in (self.moves, self.hidden, self.result):
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, boards: Tensor) -> tuple[Tensor, Tensor]:
        x = self.tower(F.relu(self.input(boards)))
        moves = self.moves(F.relu(self.policy(x)).flatten(1))
        hidden = F.relu(self.hidden(F.relu(self.value(x)).flatten(1)))
        return moves, self.result(hidden).tanh()[:, 0]


def batch(i: int) -> Batch:
    """Boards with few pieces; the value depends on the pieces and the best move on their neighborhoods."""
    boards = (torch.rand(32, PLANES, SIDE, SIDE, generator=generator(i)) < 0.15).float()
    value = torch.tanh((boards * PIECES).sum((1, 2, 3)) / 3)
    move = F.conv2d(boards, THREATS, padding=1).flatten(1).argmax(1)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        moves, result = output
        return F.cross_entropy(moves, move) + F.mse_loss(result, value)

    return (boards,), loss


CASE = Case(
    name="lczero_xavier",
    source="LeelaChessZero/lczero-training#43",
    fault="The std of convolutions ignores the kernel size, so their weights are up to three times too large.",
    build=Net,
    batch=batch,
    rules=("IH106", "IH202", "IH205"),
    layers=("input", "tower", "policy", "value"),
    optimizer="sgd",
    rates=(0.1, 0.03),
    steps=200,
    fresh=True,
)
