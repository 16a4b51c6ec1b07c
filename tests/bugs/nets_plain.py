"""Bugs that few layers show: fans miscounted, adapters at zero, a head without a prior, a softmax too many."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.nets import Loss, cross_entropy, he, pictures, vectors

Built = tuple[nn.Module, Tensor, Loss]
CHANNELS = 256


def depthwise_fan_out(healthy: bool) -> Built:
    """pytorch#23854: fan_out of a depthwise weight is counted over all groups: sqrt(channels) too small."""
    layers: list[nn.Module] = [nn.Conv2d(3, CHANNELS, 1), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS), nn.ReLU()]
        layers += [nn.Conv2d(CHANNELS, CHANNELS, 1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10))
    he(model)
    for module in model:
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if healthy:
                module.weight.data *= math.sqrt(module.groups)
    return model, pictures(4), cross_entropy


class LoRA(nn.Module):
    """A frozen layer, and the product of two low-rank ones beside it."""

    def __init__(self, width: int, rank: int = 4) -> None:
        super().__init__()
        self.base = nn.Linear(width, width).requires_grad_(False)
        self.lora_A, self.lora_B = nn.Linear(width, rank, bias=False), nn.Linear(rank, width, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x))


def both_adapters_zero(healthy: bool) -> Built:
    """cosmos-predict2.5#15: LoRA's A was set to zero as B is, so neither ever has a gradient."""
    adapted = [part for _ in range(3) for part in (LoRA(64), nn.GELU())]
    model = nn.Sequential(nn.Linear(32, 64), nn.GELU(), *adapted, nn.Linear(64, 10))
    model[0].requires_grad_(False)
    model[-1].requires_grad_(False)
    for module in model:
        if isinstance(module, LoRA) and not healthy:
            nn.init.zeros_(module.lora_A.weight)
    return model, vectors(), cross_entropy


ANCHORS, RARE = 60, 1e-3  # boxes of each place times classes, and the share of them that are one


def is_object() -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return (torch.rand(8, ANCHORS, 8, 8, generator=generator) < RARE).float()


def focal(logits: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Lin et al. 2017, https://arxiv.org/abs/1708.02002: over the number of objects."""
    wanted = is_object()
    error = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    chance = wanted * torch.sigmoid(logits) + (1 - wanted) * torch.sigmoid(-logits)
    weight = alpha * wanted + (1 - alpha) * (1 - wanted)
    return (weight * (1 - chance) ** gamma * error).sum() / wanted.sum()


def detector(prior: bool) -> nn.Module:
    tower = [part for _ in range(4) for part in (nn.Conv2d(32, 32, 3, padding=1), nn.GroupNorm(8, 32), nn.ReLU())]
    model = nn.Sequential(*tower, nn.Conv2d(32, ANCHORS, 3, padding=1))
    for module in model:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    if prior:
        nn.init.constant_(model[-1].bias, -math.log((1 - 0.01) / 0.01))
    return model


def focal_loss_without_prior(healthy: bool) -> Built:
    """pytorch-retinanet#10: the last bias says that each of thousands of anchors is an object with chance one half."""
    return detector(healthy), pictures(8, channels=32), focal


def mean_over_rare_positives(healthy: bool) -> Built:
    """The same under a mean: each of the many has a small say, and networks published without a prior train so."""
    return detector(healthy), pictures(8, channels=32), lambda z: F.binary_cross_entropy_with_logits(z, is_object())


def twenty_layers_at_default(healthy: bool) -> Built:
    """pytorch#6950: each ReLU layer at PyTorch's default passes 0.41 of its signal, and twenty of them 1e-8."""
    layers = [part for n in range(19) for part in (nn.Linear(64 if n else 32, 64), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    return he(model) if healthy else model, vectors(), cross_entropy


def softmax_twice(healthy: bool) -> Built:
    """Probabilities fed to ``cross_entropy``, which has a softmax of its own."""
    model = he(nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1000)))
    output = nn.Identity() if healthy else nn.Softmax(dim=1)
    return nn.Sequential(*model.children(), output), vectors(), cross_entropy
