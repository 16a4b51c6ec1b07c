"""Networks that intentionally start at zero: each weight has a gradient within two steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.nets import Loss, cross_entropy, he, mlp, pictures, vectors, zeroed

Start = Callable[[], tuple[nn.Module, Any, Loss]]


class LowRank(nn.Module):
    """A frozen layer and LoRA's addition to it: ``b(a(x))``."""

    def __init__(self, reads: int, gives: int, both: bool) -> None:
        super().__init__()
        self.base = nn.Linear(reads, gives).requires_grad_(False)
        self.a, self.b = nn.Linear(reads, 4, bias=False), nn.Linear(4, gives, bias=False)
        zeroed(self.b)
        if both:
            zeroed(self.a)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.b(self.a(x))


def lora(both: bool = False) -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(LowRank(32, 64, both), nn.ReLU(), LowRank(64, 10, both))


class Gated(nn.Module):
    """ReZero: ``x + alpha * branch(x)`` with an initial alpha of zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = he(nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)))
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.alpha * self.branch(x)


class Control(nn.Module):
    """ControlNet: a trainable copy connected to a frozen network by zero 1x1 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1).requires_grad_(False)
        self.body = nn.Conv2d(16, 16, 3, padding=1).requires_grad_(False)
        self.copy = nn.Conv2d(3, 16, 3, padding=1)
        self.enter, self.leave = zeroed(nn.Conv2d(3, 16, 1)), zeroed(nn.Conv2d(16, 16, 1))
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor, hint: Tensor) -> Tensor:
        control = F.relu(self.copy(x) + self.enter(hint))
        return self.head((F.relu(self.body(F.relu(self.stem(x)))) + self.leave(control)).mean((2, 3)))


class Modulated(nn.Module):
    """A block of a diffusion transformer with adaLN-zero: scale, shift and gate start at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.modulation = zeroed(nn.Linear(width, 3 * width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift, gate = self.modulation(condition)[:, None].chunk(3, -1)
        return x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)


class Diffusion(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.condition = nn.Sequential(nn.Linear(8, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.blocks = nn.ModuleList(Modulated(width) for _ in range(3))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.out = zeroed(nn.Linear(width, 16))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x, condition = self.enter(x), self.condition(condition)
        for block in self.blocks:
            x = block(x, condition)
        return self.out(self.norm(x))


def lora_b_at_zero() -> tuple[nn.Module, Any, Loss]:
    return lora(), vectors(), cross_entropy


def rezero() -> tuple[nn.Module, Any, Loss]:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(32, 64), Gated(64), Gated(64), Gated(64), nn.Linear(64, 10))
    return he(model), vectors(), cross_entropy


def controlnet() -> tuple[nn.Module, Any, Loss]:
    torch.manual_seed(5)
    return Control(), (pictures(), pictures().flip(0)), cross_entropy


def zero_head() -> tuple[nn.Module, Any, Loss]:
    model = mlp()
    zeroed(model[-1])
    return model, vectors(), cross_entropy


def adaln_zero() -> tuple[nn.Module, Any, Loss]:
    torch.manual_seed(5)
    tokens, condition, target = torch.randn(16, 6, 16), torch.randn(16, 8), torch.randn(16, 6, 16)
    return Diffusion(), (tokens, condition), lambda output: F.mse_loss(output, target)


def zero_gamma() -> tuple[nn.Module, Any, Loss]:
    """The last norm of each residual branch is zero, a common start for ResNets."""

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            self.conv2, self.norm2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            nn.init.zeros_(self.norm2.weight)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))

    torch.manual_seed(5)
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    model = nn.Sequential(*stem, Branch(), Branch(), Branch(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return model, pictures(), cross_entropy


HEALTHY: tuple[Start, ...] = (lora_b_at_zero, rezero, controlnet, zero_head, adaln_zero, zero_gamma)
