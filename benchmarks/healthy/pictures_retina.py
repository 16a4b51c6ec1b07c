"""A detector with anchors on a feature pyramid."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_detectors import Backbone, centres


class RetinaNet(nn.Module):
    """Two heads that are shared by the levels of a feature pyramid; every class starts at a probability of 0.01."""

    def __init__(self, width: int = 64, classes: int = 4, anchors: int = 3) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in (32, 64, 96))
        self.output = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        for m in [*self.lateral, *self.output]:
            nn.init.kaiming_uniform_(m.weight, a=1)
            nn.init.constant_(m.bias, 0)
        self.cls_head, self.box_head = self._head(width, classes * anchors), self._head(width, 4 * anchors)
        nn.init.constant_(self.cls_head[-1].bias, -math.log((1 - 0.01) / 0.01))

    @staticmethod
    def _head(width: int, outputs: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for _ in range(4):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        head = nn.Sequential(*layers, nn.Conv2d(width, outputs, 3, padding=1))
        for m in head:
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, std=0.01)
                nn.init.constant_(m.bias, 0)
        return head

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        maps = [lateral(c) for lateral, c in zip(self.lateral, self.backbone(x), strict=True)]
        for i in (1, 0):
            maps[i] = maps[i] + F.interpolate(maps[i + 1], scale_factor=2, mode="nearest")
        maps = [output(p) for output, p in zip(self.output, maps, strict=True)]
        return [(self.cls_head(p), self.box_head(p)) for p in maps]


def focal(logits: Tensor, target: Tensor) -> Tensor:
    ce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p = torch.sigmoid(logits)
    wrong = 1 - (p * target + (1 - p) * (1 - target))
    return ((0.25 * target + 0.75 * (1 - target)) * ce * wrong**2).sum()


def focal_detection(generator: Generator) -> Drawn:
    """The middle anchor of the center's cell is positive, on the level that matches the disc's size."""
    levels = (16, 8, 4)
    state = generator.get_state()
    found = []
    for cells in levels:  # the same images with a different grid
        generator.set_state(state)
        found.append(centres(generator, cells))
    box = found[0][2]
    level = torch.bucketize(box[:, 2].contiguous(), torch.tensor([0.28, 0.4]))

    def loss(outputs: list[tuple[Tensor, Tensor]]) -> Tensor:
        total = torch.zeros(())
        for i, ((logits, boxes), (_, owner, box_target)) in enumerate(zip(outputs, found, strict=True)):
            mine = owner * (level == i)[:, None, None]
            target = torch.zeros_like(logits)
            target[:, 1] = mine
            total = total + focal(logits, target)
            picked = boxes[:, 4:8].permute(0, 2, 3, 1)[mine.bool()]
            total = total + F.smooth_l1_loss(picked, box_target[level == i], reduction="sum", beta=1 / 9)
        return total / len(box)

    return found[0][0], loss


NETS = (everyday("retinanet", "anchor detector", RetinaNet, focal_detection),)
