"""Networks for point clouds and sets."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday

SHAPES = 5


def clouds(generator: Generator, count: int, points: int = 128) -> tuple[Tensor, Tensor]:
    """Return points ``(count, points, 3)`` on five surfaces, stretched, rotated about the vertical, in a unit ball."""
    labels = torch.randint(SHAPES, (count,), generator=generator)
    normal = F.normalize(torch.randn(count, points, 3, generator=generator), dim=2)
    angle, other = (2 * math.pi * torch.rand(count, points, generator=generator) for _ in range(2))
    height = 2 * torch.rand(count, points, generator=generator) - 1
    ring = 1 + 0.4 * other.cos()
    kinds = [
        normal,
        normal / normal.abs().amax(2, keepdim=True),
        torch.stack([angle.cos(), angle.sin(), height], 2),
        torch.stack([angle.cos() * (1 - height) / 2, angle.sin() * (1 - height) / 2, height], 2),
        torch.stack([angle.cos() * ring, angle.sin() * ring, 0.4 * other.sin()], 2),
    ]
    x = torch.stack(kinds)[labels, torch.arange(count)] * (0.8 + 0.4 * torch.rand(count, 1, 3, generator=generator))
    turn = 2 * math.pi * torch.rand(count, generator=generator)
    c, s, zero, one = turn.cos(), turn.sin(), torch.zeros(count), torch.ones(count)
    x = x @ torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).view(-1, 3, 3)
    x = x + 0.02 * torch.randn(x.shape, generator=generator)
    x = x - x.mean(1, keepdim=True)
    return x / x.norm(dim=2).amax(1)[:, None, None], labels


def shared(*widths: int) -> nn.Sequential:
    """Return a small MLP that is applied to every point."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers)


class TNet(nn.Module):
    """A transformation of the points' features that starts as the identity."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.points = shared(size, 32, 64, 128)
        self.fc = nn.Sequential(nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, size * size))
        nn.init.zeros_(self.fc[-1].weight)
        self.fc[-1].bias.data = torch.eye(size).flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.points(x).max(2).values).view(-1, self.size, self.size)


class PointNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stn, self.fstn = TNet(3), TNet(32)
        self.first, self.second = shared(3, 32), shared(32, 64, 128)
        self.head = nn.Sequential(
            nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, SHAPES)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.transpose(2, 1)
        x = self.first(torch.bmm(self.stn(x).transpose(2, 1), x))
        turn = self.fstn(x)
        x = self.second(torch.bmm(turn.transpose(2, 1), x))
        return self.head(x.max(2).values), turn


def regularized(generator: Generator) -> Drawn:
    x, labels = clouds(generator, 32, 96)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        logits, turn = output
        off = torch.bmm(turn, turn.transpose(2, 1)) - torch.eye(turn.shape[1])
        return F.cross_entropy(logits, labels) + 0.001 * off.norm(dim=(1, 2)).mean()

    return x, loss


def shape_kind(generator: Generator) -> Drawn:
    x, labels = clouds(generator, 16, 96)
    return x, lambda logits: F.cross_entropy(logits, labels, label_smoothing=0.2)


def edge_features(x: Tensor, k: int = 10) -> Tensor:
    """Return self and neighbor differences, ``(samples, 2 * channels, points, k)``."""
    near = torch.cdist(x.transpose(1, 2), x.transpose(1, 2)).topk(k, largest=False).indices
    index = near[:, None].expand(-1, x.shape[1], -1, -1)
    neighbors = torch.gather(x.unsqueeze(2).expand(-1, -1, x.shape[2], -1), 3, index)
    own = x.unsqueeze(3).expand_as(neighbors)
    return torch.cat([neighbors - own, own], 1)


class DGCNN(nn.Module):
    """Neighbors are computed again from every layer's features."""

    def __init__(self) -> None:
        super().__init__()
        blocks = []
        for a, b in ((6, 32), (64, 32), (64, 64)):
            blocks.append(nn.Sequential(nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)))
        self.edges = nn.ModuleList(blocks)
        self.conv = nn.Sequential(nn.Conv1d(128, 128, 1, bias=False), nn.BatchNorm1d(128), nn.LeakyReLU(0.2))
        self.linear1, self.bn = nn.Linear(256, 64, bias=False), nn.BatchNorm1d(64)
        self.dropout, self.linear2 = nn.Dropout(0.5), nn.Linear(64, SHAPES)

    def forward(self, x: Tensor) -> Tensor:
        x, seen = x.transpose(1, 2), []
        for edge in self.edges:
            x = edge(edge_features(x)).max(-1).values
            seen.append(x)
        x = self.conv(torch.cat(seen, 1))
        x = torch.cat([F.adaptive_max_pool1d(x, 1), F.adaptive_avg_pool1d(x, 1)], 1).flatten(1)
        return self.linear2(self.dropout(F.leaky_relu(self.bn(self.linear1(x)), 0.2)))


def farthest(points: Tensor, count: int) -> Tensor:
    """Return indices ``(samples, count)`` of points that are far from each other."""
    rows = torch.arange(len(points))
    chosen = torch.zeros(len(points), count, dtype=torch.long)
    distance = torch.full(points.shape[:2], math.inf)
    for i in range(1, count):
        last = points[rows, chosen[:, i - 1]][:, None]
        distance = torch.minimum(distance, (points - last).pow(2).sum(2))
        chosen[:, i] = distance.argmax(1)
    return chosen


class SetAbstraction(nn.Module):
    def __init__(self, count: int, near: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.count, self.near = count, near
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.bns = nn.ModuleList(nn.BatchNorm2d(b) for b in widths[1:])

    def forward(self, places: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        rows = torch.arange(len(places))[:, None]
        centres = places[rows, farthest(places, self.count)]
        near = torch.cdist(centres, places).topk(self.near, largest=False).indices
        grouped = places[rows[..., None], near] - centres[:, :, None]
        if features is not None:
            grouped = torch.cat([grouped, features[rows[..., None], near]], -1)
        x = grouped.permute(0, 3, 1, 2)
        for conv, bn in zip(self.convs, self.bns, strict=True):
            x = F.relu(bn(conv(x)))
        return centres, x.amax(3).transpose(1, 2)


class PointNet2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sa1 = SetAbstraction(48, 16, (3, 32, 32, 64))
        self.sa2 = SetAbstraction(16, 12, (67, 64, 64, 128))
        self.last = shared(131, 128, 192)
        self.fc1, self.bn1, self.drop = nn.Linear(192, 64), nn.BatchNorm1d(64), nn.Dropout(0.4)
        self.fc2 = nn.Linear(64, SHAPES)

    def forward(self, x: Tensor) -> Tensor:
        places, features = self.sa2(*self.sa1(x, None))
        x = self.last(torch.cat([places, features], 2).transpose(1, 2)).max(2).values
        return self.fc2(self.drop(F.relu(self.bn1(self.fc1(x)))))


NETS = (
    everyday("pointnet", "PointNet", PointNet, regularized),
    everyday("dgcnn", "dynamic graph net", DGCNN, shape_kind),
    everyday("pointnet-2", "PointNet++", PointNet2, shape_kind),
)
