"""Convolutional networks: a missed layer, depthwise fans, a detection head without a prior."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import Scene

CHANNELS, CLASSES, ANCHORS = 32, 10, 3


def images(samples: int = 8, size: int = 16) -> Tensor:
    return torch.randn(samples, 3, size, size, generator=torch.Generator().manual_seed(1))


def labels(samples: int = 8) -> Tensor:
    return torch.arange(samples) % CLASSES


def classified(model: nn.Module) -> Scene:
    return Scene(model, images(), lambda output: F.cross_entropy(output, labels()))


def normal_init(module: object, std: float) -> None:
    """Do nothing, silently, for objects without a weight, such as a weight itself."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    for parameter, draw in ((weight, lambda p: nn.init.normal_(p, std=std)), (bias, nn.init.zeros_)):
        if isinstance(parameter, Tensor):
            draw(parameter)


class Classifier(nn.Module):
    """A backbone with PyTorch's default, and a tower with its own initialization."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS), nn.ReLU())
        tower: list[nn.Module] = []
        for _ in range(6):
            tower += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.GroupNorm(8, CHANNELS), nn.ReLU()]
        self.tower, self.head = nn.Sequential(*tower), nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.tower(self.backbone(x)).mean((2, 3)))


def helper_handed_a_tensor(fixed: bool) -> Scene:
    """open-mmlab/mmdetection#6432: an initialization function was called with a weight instead of its module."""
    model = Classifier()
    for number, conv in enumerate(each for each in model.tower if isinstance(each, nn.Conv2d)):
        normal_init(conv if fixed or number != 2 else conv.weight, std=0.01)
    return classified(model)


def depthwise_fan_out(fixed: bool, normed: bool = False) -> Scene:
    """pytorch/pytorch#23854: fan_out of a depthwise weight counts all groups: wrong by sqrt(channels)."""
    channels = 128
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Conv2d(channels, channels, 3, padding=1, groups=channels)]
        layers += [nn.BatchNorm2d(channels)] if normed else []
        layers += [nn.ReLU(), nn.Conv2d(channels, channels, 1)]
        layers += [nn.BatchNorm2d(channels), nn.ReLU()] if normed else [nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            mode = "fan_in" if module.in_channels == 3 else "fan_out"
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            nn.init.zeros_(module.bias)
            if fixed:
                with torch.no_grad():
                    module.weight.mul_(math.sqrt(module.groups))
    return classified(model)


def depthwise(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if isinstance(module, nn.Conv2d) and module.groups > 1}


class Detector(nn.Module):
    """A stem and RetinaNet's classification branch: four convolutions, then a logit for each anchor and class."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, 2, 1), nn.BatchNorm2d(CHANNELS), nn.ReLU())
        tower: list[nn.Module] = []
        for _ in range(4):
            tower += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.GroupNorm(8, CHANNELS), nn.ReLU()]
        self.cls_tower = nn.Sequential(*tower)
        self.cls_logits = nn.Conv2d(CHANNELS, ANCHORS * 20, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cls_logits(self.cls_tower(self.stem(x)))


def rare_targets() -> Tensor:
    """Return labels with about one object in a thousand."""
    return (torch.rand(8, ANCHORS * 20, 8, 8, generator=torch.Generator().manual_seed(3)) < 1e-3).float()


def focal(logits: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss divided by the number of objects (Lin et al. 2017)."""
    targets = rare_targets()
    error = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    chance = torch.exp(-error)
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * (1 - chance) ** gamma * error).sum() / targets.sum()


def detector(fixed: bool) -> nn.Module:
    model = Detector()
    for module in (*model.cls_tower, model.cls_logits):
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    if fixed:
        nn.init.constant_(model.cls_logits.bias, -math.log((1 - 0.01) / 0.01))
    return model


def mean_over_rare_positives(fixed: bool) -> Scene:
    """The same head with a mean: the loss is ln 2, its gradients are small, and published networks train like this."""
    return Scene(detector(fixed), images(), lambda z: F.binary_cross_entropy_with_logits(z, rare_targets()))


def focal_loss_without_a_prior(fixed: bool) -> Scene:
    """kuangliu/pytorch-retinanet#10: no prior in the last bias, so each of the many background anchors contributes."""
    return Scene(detector(fixed), images(), focal)
