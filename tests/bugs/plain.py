"""Bugs in simple networks: zero adapters, PyTorch's default in deep networks, a second softmax."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import Scene

FEATURES, WIDTH, CLASSES = 32, 64, 10


def vectors(samples: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, FEATURES, generator=generator), torch.arange(samples) % CLASSES


class Adapted(nn.Module):
    """A frozen layer in parallel with the product of two low-rank layers."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, 4, bias=False)
        self.lora_B = nn.Linear(4, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x))


class Modulated(nn.Module):
    """A residual block with a zero-initialized modulation, as in diffusion transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.enter, self.leave = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.modulation: nn.Module = nn.Linear(WIDTH, WIDTH)

    def init_weights(self) -> None:
        for parameter in self.modulation.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return x + (1 + self.modulation(x)) * self.leave(F.gelu(self.enter(self.norm(x))))


def adapters_before_the_initialization(fixed: bool) -> Scene:
    """nvidia-cosmos/cosmos-predict2.5#15: adapters were added before ``init_weights``, whose loop set them to zero.

    LoRA's A is zero like its B, so no trainable parameter ever gets a gradient.
    """
    blocks = [Modulated() for _ in range(3)]
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), *blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES))
    model.requires_grad_(False)
    for block in blocks:
        if fixed:
            block.init_weights()
        assert isinstance(block.modulation, nn.Linear)
        block.modulation = Adapted(block.modulation)
        if not fixed:
            block.init_weights()
    x, y = vectors()
    return Scene(model, x, lambda output: F.cross_entropy(output, y))


def deep_relu(fixed: bool) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU())
    for _ in range(18):
        model.extend([nn.Linear(WIDTH, WIDTH), nn.ReLU()])
    model.append(nn.Linear(WIDTH, CLASSES))
    for module in model.modules():
        if isinstance(module, nn.Linear) and fixed:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return model


def twenty_layers_at_the_default(fixed: bool) -> Scene:
    """pytorch/pytorch#6950: twenty ReLU layers with PyTorch's default, each of which preserves 0.41 of the signal."""
    x, y = vectors()
    return Scene(deep_relu(fixed), x, lambda output: F.cross_entropy(output, y))


def softmax_twice(fixed: bool) -> Scene:
    """Probabilities passed to ``cross_entropy``, which includes a softmax."""
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1000))
    if not fixed:
        model.append(nn.Softmax(dim=1))
    x, y = vectors()
    return Scene(model, x, lambda output: F.cross_entropy(output, y))
