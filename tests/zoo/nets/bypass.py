"""ReZero and LoRA: networks with intentionally zero parameters, each written in three ways."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import CLASSES, FEATURES

WIDTH = 64
RANK = 4


class Branch(nn.Module):
    def __init__(self, functional: bool) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.outer = nn.Linear(WIDTH, WIDTH)
        self.alpha = nn.Parameter(torch.zeros(1))
        self.relu: Callable[[Tensor], Tensor] = F.relu if functional else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.alpha * self.outer(self.relu(self.inner(x)))
        return out


class ReZero(nn.Module):
    """Residual branches, each scaled by a number that starts at zero; no norms."""

    def __init__(self, functional: bool, branches: int = 8) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, WIDTH)
        self.branches = nn.Sequential(*(Branch(functional) for _ in range(branches)))
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.branches(self.stem(x)))
        return out


class ParameterReZero(nn.Module):
    def __init__(self, branches: int = 8) -> None:
        super().__init__()
        self.stem_w = nn.Parameter(torch.empty(WIDTH, FEATURES))
        self.stem_b = nn.Parameter(torch.empty(WIDTH))
        self.alpha = nn.ParameterList(torch.empty(1) for _ in range(branches))
        self.w = nn.ParameterList(torch.empty(WIDTH, WIDTH) for _ in range(2 * branches))
        self.b = nn.ParameterList(torch.empty(WIDTH) for _ in range(2 * branches))
        self.head_w = nn.Parameter(torch.empty(CLASSES, WIDTH))
        self.head_b = nn.Parameter(torch.empty(CLASSES))

    def parameter_order(self) -> list[str]:
        order = ["stem_w", "stem_b"]
        for i in range(len(self.alpha)):
            order += [f"alpha.{i}", f"w.{2 * i}", f"b.{2 * i}", f"w.{2 * i + 1}", f"b.{2 * i + 1}"]
        return [*order, "head_w", "head_b"]

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.stem_w, self.stem_b)
        for i, alpha in enumerate(self.alpha):
            inner = F.linear(x, self.w[2 * i], self.b[2 * i]).relu()
            x = x + alpha * F.linear(inner, self.w[2 * i + 1], self.b[2 * i + 1])
        return F.linear(x, self.head_w, self.head_b)


class Adapted(nn.Module):
    """A frozen linear layer with a parallel trainable product of two low-rank matrices; the second starts at zero."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down = nn.Linear(inputs, RANK, bias=False)
        self.up = nn.Linear(RANK, outputs, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x) + self.up(self.down(x))
        return out


class FunctionAdapted(nn.Module):
    """The same with the low-rank matrices as plain parameters, as published for LoRA."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.lora_a = nn.Parameter(torch.empty(RANK, inputs))
        self.lora_b = nn.Parameter(torch.empty(outputs, RANK))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x) + x @ self.lora_a.t() @ self.lora_b.t()
        return out


class LoRA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Adapted(FEATURES, WIDTH), nn.ReLU(), Adapted(WIDTH, WIDTH), nn.ReLU())
        self.head = Adapted(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


class FunctionLoRA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        pairs = ((FEATURES, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES))
        self.layers = nn.ModuleList(FunctionAdapted(*pair) for pair in pairs)

    def parameter_order(self) -> list[str]:
        names = ("base.weight", "base.bias", "lora_a", "lora_b")
        return [f"layers.{i}.{name}" for i in range(3) for name in names]

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.layers[0](x), inplace=True)
        out: Tensor = self.layers[2](F.relu(self.layers[1](x)))
        return out


class ParameterLoRA(nn.Module):
    """The adapted weight is summed first, as in implementations that merge it."""

    def __init__(self) -> None:
        super().__init__()
        pairs = ((FEATURES, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES))
        self.w = nn.ParameterList(torch.empty(outputs, inputs) for inputs, outputs in pairs)
        self.bias = nn.ParameterList(torch.empty(outputs) for _, outputs in pairs)
        self.a = nn.ParameterList(torch.empty(RANK, inputs) for inputs, _ in pairs)
        self.b = nn.ParameterList(torch.empty(outputs, RANK) for _, outputs in pairs)

    def parameter_order(self) -> list[str]:
        return [f"{stem}.{i}" for i in range(3) for stem in ("w", "bias", "a", "b")]

    def forward(self, x: Tensor) -> Tensor:
        for i in range(3):
            x = F.linear(x, self.w[i] + self.b[i] @ self.a[i], self.bias[i])
            x = x.relu() if i < 2 else x
        return x


REZERO_TWINS: dict[str, Callable[[], nn.Module]] = {
    "functions": lambda: ReZero(functional=True),
    "parameters": ParameterReZero,
}
LORA_TWINS: dict[str, Callable[[], nn.Module]] = {"functions": FunctionLoRA, "parameters": ParameterLoRA}
