"""nvidia-cosmos/cosmos-predict2.5#15: the model's initialization runs after LoRA is added and zeros A too."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WIDTH, RANK, DEPTH = 32, 4, 3


class LoraLinear(nn.Module):
    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A, self.lora_B = nn.Linear(WIDTH, RANK, bias=False), nn.Linear(RANK, WIDTH, bias=False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x))


def pretrained(shift: float) -> list[nn.Linear]:
    """The layers of a fixed network, each moved by `shift` in a few directions."""
    g = generator(-1)
    layers = []
    for _ in range(DEPTH):
        layer = nn.Linear(WIDTH, WIDTH, bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(WIDTH, WIDTH, generator=g) * WIDTH**-0.5)
            left, right = torch.randn(WIDTH, 2, generator=g), torch.randn(2, WIDTH, generator=g)
            layer.weight.add_(left @ right, alpha=shift * WIDTH**-0.5)
        layers.append(layer.requires_grad_(False))
    return layers


class Network(nn.Module):
    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + F.gelu(layer(x))
        return x


TEACHER = Network(list(pretrained(shift=0.7)))


def build(broken: bool) -> nn.Module:
    model = Network([LoraLinear(layer) for layer in pretrained(shift=0.0)])
    if broken:
        for layer in model.layers:
            nn.init.zeros_(layer.lora_A.weight)
    return model


def batch(i: int) -> Batch:
    x = torch.randn(128, WIDTH, generator=generator(i))
    with torch.no_grad():
        target = TEACHER(x)
    return (x,), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="lora_zero_a",
    source="nvidia-cosmos/cosmos-predict2.5#15",
    fault="The A matrices of LoRA are zero as the B matrices are, so neither receives a gradient.",
    build=build,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("layers.0.lora_A", "layers.1.lora_A", "layers.2.lora_A"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=300,
)
