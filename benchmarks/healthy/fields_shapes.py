"""A shape network that predicts whether a point is inside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday


class ResnetBlockFC(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = min(inputs, outputs)
        self.fc_0, self.fc_1 = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        self.shortcut = nn.Linear(inputs, outputs, bias=False) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.fc_1(F.relu(self.fc_0(F.relu(x))))


class ConditionedNorm(nn.Module):
    """Batch normalization with a scale and shift computed from a code; they start at one and zero."""

    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        self.conv_gamma, self.conv_beta = nn.Conv1d(code, width, 1), nn.Conv1d(code, width, 1)
        self.bn = nn.BatchNorm1d(width, affine=False)
        for conv, bias in ((self.conv_gamma, 1.0), (self.conv_beta, 0.0)):
            nn.init.zeros_(conv.weight)
            nn.init.constant_(conv.bias, bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.conv_gamma(code) * self.bn(x) + self.conv_beta(code)


class ConditionedBlock(nn.Module):
    def __init__(self, code: int, width: int) -> None:
        super().__init__()
        self.bn_0, self.bn_1 = ConditionedNorm(code, width), ConditionedNorm(code, width)
        self.fc_0, self.fc_1 = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        net = self.fc_0(F.relu(self.bn_0(x, code)))
        return x + self.fc_1(F.relu(self.bn_1(net, code)))


class OccupancyNet(nn.Module):
    """Logits ``(samples, queries)`` of being inside a shape, which is given by points on its surface."""

    def __init__(self, width: int = 48, code: int = 48, blocks: int = 5) -> None:
        super().__init__()
        self.fc_pos = nn.Linear(3, 2 * width)
        self.encoder = nn.ModuleList(ResnetBlockFC(2 * width, width) for _ in range(4))
        self.fc_code = nn.Linear(width, code)
        self.fc_p = nn.Conv1d(3, width, 1)
        self.blocks = nn.ModuleList(ConditionedBlock(code, width) for _ in range(blocks))
        self.bn, self.fc_out = ConditionedNorm(code, width), nn.Conv1d(width, 1, 1)

    def forward(self, surface: Tensor, queries: Tensor) -> Tensor:
        net = self.fc_pos(surface)
        for i, block in enumerate(self.encoder):
            net = block(net)
            if i < 3:
                net = torch.cat([net, net.max(1, keepdim=True).values.expand_as(net)], 2)
        code = self.fc_code(F.relu(net.max(1).values)).unsqueeze(2)
        net = self.fc_p(queries.transpose(1, 2))
        for block in self.blocks:
            net = block(net, code)
        return self.fc_out(F.relu(self.bn(net, code))).squeeze(1)


def ellipsoids(generator: Generator) -> Drawn:
    axes = 0.15 + 0.3 * torch.rand(16, 1, 3, generator=generator)
    surface = F.normalize(torch.randn(16, 64, 3, generator=generator), dim=2) * axes
    surface = surface + 0.005 * torch.randn(surface.shape, generator=generator)
    queries = 1.1 * torch.rand(16, 96, 3, generator=generator) - 0.55
    inside = ((queries / axes).pow(2).sum(2) < 1).float()

    def loss(logits: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, inside, reduction="none").sum(-1).mean()

    return (surface, queries), loss


NETS = (everyday("occupancy", "occupancy network", OccupancyNet, ellipsoids),)
