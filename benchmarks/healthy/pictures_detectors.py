"""Detectors: dense heads with rare positives, each with its published bias."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_convs import BasicBlock
from .pictures_dense import discs

Targets = tuple[Tensor, Tensor]


def centres(generator: Generator, cells: int, count: int = 16, size: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Return images of one disc, the cell of its center ``(count, cells, cells)``, and its box ``(count, 4)``."""
    images, inside = discs(generator, count, size)
    rows, columns = inside.any(2).float(), inside.any(1).float()
    line = torch.arange(size).float()
    middles = [(seen * line).sum(1) / seen.sum(1) for seen in (rows, columns)]
    cell = [(m * cells / size).long().clamp(0, cells - 1) for m in middles]
    owner = torch.zeros(count, cells, cells)
    owner[torch.arange(count), cell[0], cell[1]] = 1
    place = [m * cells / size - c for m, c in zip(middles, cell, strict=True)]
    return images, owner, torch.stack([*place, rows.mean(1), columns.mean(1)], 1)


class Backbone(nn.Module):
    """Features at 1/4, 1/8 and 1/16 of the resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList([BasicBlock(16, 32, 2), BasicBlock(32, 64, 2), BasicBlock(64, 96, 2)])
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class CenterNet(nn.Module):
    """A heatmap of centers with a bias of -2.19, and their sizes and offsets."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.backbone = Backbone()
        up = nn.ConvTranspose2d
        self.deconv = nn.Sequential(
            up(96, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
            up(64, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        )  # fmt: skip
        for m in self.deconv:
            if isinstance(m, nn.ConvTranspose2d):
                nn.init.normal_(m.weight, std=0.001)
        self.heads = nn.ModuleDict()
        for name, outputs in {"hm": 1, "wh": 2, "reg": 2}.items():
            last = nn.Conv2d(64, outputs, 1)
            head = nn.Sequential(nn.Conv2d(width, 64, 3, padding=1), nn.ReLU(inplace=True), last)
            for m in (head[0], last):
                if name != "hm":
                    nn.init.normal_(m.weight, std=0.001)
                    nn.init.constant_(m.bias, 0)
            if name == "hm":
                nn.init.constant_(last.bias, -2.19)
            self.heads[name] = head

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.deconv(self.backbone(x)[-1])
        return {name: head(x) for name, head in self.heads.items()}


def heatmap(generator: Generator) -> Drawn:
    images, owner, box = centres(generator, 16)
    line = torch.arange(16.0)
    spread = torch.exp(-((line[:, None] - line) ** 2) / 2)
    soft = (spread @ owner @ spread.T).clamp(max=1)

    def loss(output: dict[str, Tensor]) -> Tensor:
        p = output["hm"].squeeze(1).sigmoid().clamp(1e-4, 1 - 1e-4)
        hit = owner * (1 - p) ** 2 * p.log()
        miss = (1 - owner) * (1 - soft) ** 4 * p**2 * (1 - p).log()
        sizes, offsets = (output[key].permute(0, 2, 3, 1)[owner.bool()] for key in ("wh", "reg"))
        boxes = 0.1 * F.l1_loss(sizes, box[:, 2:] * 16) + F.l1_loss(offsets, box[:, :2])
        return -(hit + miss).sum() / owner.sum() + boxes

    return images, loss


def cbl(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)]


class Darknet(nn.Sequential):
    """Tiny YOLO: ``(samples, 8, 8, 5 + classes)``."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__(
            *cbl(3, 16, 3), nn.MaxPool2d(2), *cbl(16, 32, 3), nn.MaxPool2d(2), *cbl(32, 64, 3), nn.MaxPool2d(2),
            *cbl(64, 128, 3), *cbl(128, 64, 1), *cbl(64, 128, 3), nn.Conv2d(128, 5 + classes, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).permute(0, 2, 3, 1)


def yolo(generator: Generator) -> Drawn:
    images, owner, box = centres(generator, 8)
    kind = torch.bucketize(box[:, 2].contiguous(), torch.tensor([0.28, 0.4]))

    def loss(output: Tensor) -> Tensor:
        mine = output[owner.bool()]
        place = F.mse_loss(mine[:, :2].sigmoid(), box[:, :2], reduction="sum")
        size = F.mse_loss(mine[:, 2:4], (box[:, 2:] / 0.35).log(), reduction="sum")
        there = F.binary_cross_entropy_with_logits(output[..., 4], owner, reduction="none")
        objects = (there * owner).sum() + 0.5 * (there * (1 - owner)).sum()
        classes = F.binary_cross_entropy_with_logits(mine[:, 5:], F.one_hot(kind, 3).float(), reduction="sum")
        return (5 * (place + size) + objects + classes) / len(box)

    return images, loss


NETS = (
    everyday("centernet", "heatmap detector", CenterNet, heatmap),
    everyday("yolo", "one-stage detector", Darknet, yolo),
)
