"""LeelaChessZero/lczero-training#43: Xavier's std leaves out the kernel's area, so convolutions start 3x too large."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

SIDE, PLANES, WIDTH, BLOCKS = 6, 4, 24, 4
PIECES = torch.tensor([1.0, 3.0, 5.0, -4.0])


def xavier(layer: nn.Conv2d | nn.Linear, broken: bool) -> None:
    area = 1 if broken else layer.weight[0, 0].numel()
    fans = area * (layer.weight.shape[0] + layer.weight.shape[1])
    nn.init.normal_(layer.weight, std=(2 / fans) ** 0.5)


class Normed(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Normed(WIDTH, WIDTH), Normed(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Network(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.stem, self.tower = Normed(PLANES, WIDTH), nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.policy_conv, self.policy = Normed(WIDTH, 8, 1), nn.Linear(8 * SIDE**2, SIDE**2)
        self.value_conv, self.value = Normed(WIDTH, 8, 1), nn.Linear(8 * SIDE**2, 32)
        self.outcome = nn.Linear(32, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                xavier(module, broken)

    def forward(self, board: Tensor) -> tuple[Tensor, Tensor]:
        x = self.tower(F.relu(self.stem(board)))
        policy = self.policy(F.relu(self.policy_conv(x)).flatten(1))
        value = F.relu(self.value(F.relu(self.value_conv(x)).flatten(1)))
        return policy, torch.tanh(self.outcome(value)).squeeze(1)


def batch(i: int) -> Batch:
    """The best move is the square with the most material around it; the outcome depends on the sum of all pieces."""
    g = generator(i)
    board = (torch.rand(64, PLANES, SIDE, SIDE, generator=g) < 0.15).float()
    material = torch.einsum("bpxy,p->bxy", board, PIECES)
    around = F.avg_pool2d(material[:, None], 3, 1, 1).flatten(1)
    move, outcome = around.argmax(1), torch.tanh(material.sum((1, 2)) / 20 - 1)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        policy, value = output
        return F.cross_entropy(policy, move) + F.mse_loss(value, outcome)

    return (board,), loss


CASE = Case(
    name="lczero_conv_scale",
    source="LeelaChessZero/lczero-training#43",
    fault="The fans of a convolution count its channels only, so weights of 3x3 kernels are three times too large.",
    build=Network,
    batch=batch,
    rules=("IH106", "IH202"),
    layers=("stem", "tower"),
    optimizer="sgd",
    rates=(3e-2, 1e-2),
    steps=150,
    fresh=True,
)
