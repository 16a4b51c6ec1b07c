"""Further networks that look faulty and are not, each beside the same network with a fault in that very spot."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import Scene
from .pictures import classified
from .plain import CLASSES, FEATURES, WIDTH, vectors


@dataclass(frozen=True)
class Trap:
    """``build(False)`` is healthy, ``build(True)`` has the fault."""

    build: Callable[[bool], Scene]
    codes: tuple[str, ...]
    layers: frozenset[str]  # that may be blamed, and no others

    @property
    def name(self) -> str:
        return self.build.__name__


def scene(model: nn.Module, inputs: Tensor | None = None) -> Scene:
    x, y = vectors()
    return Scene(model, x if inputs is None else inputs, lambda output: F.cross_entropy(output, y))


def he(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def perceptron(hidden: int = 4, norm: bool = False) -> nn.Sequential:
    """Layers named 0, 2, 4 and so on, or 0, 3, 6 with norms; He's initialization, zero biases."""
    model = nn.Sequential()
    for number in range(hidden):
        model.append(nn.Linear(WIDTH if number else FEATURES, WIDTH))
        model.extend([nn.BatchNorm1d(WIDTH), nn.ReLU()] if norm else [nn.ReLU()])
    model.append(nn.Linear(WIDTH, CLASSES))
    he(model)
    return model


class Scaled(nn.Module):
    """A pre-norm residual block whose branch ends in a learned scale."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.enter, self.leave = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.full((WIDTH,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.leave(F.gelu(self.enter(self.norm(x))))


def layer_scale(fault: bool) -> Scene:
    """A branch may start at a millionth of its size; at zero twice over it never wakes."""
    blocks = [Scaled() for _ in range(6)]
    if fault:
        for parameter in (blocks[2].scale, blocks[2].leave.weight, blocks[2].leave.bias):
            nn.init.zeros_(parameter)
    return scene(nn.Sequential(nn.Linear(FEATURES, WIDTH), *blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)))


def huge_bias_before_batch_norm(fault: bool) -> Scene:
    """BatchNorm takes any bias away, but for one in whose rounding the signal is lost before it gets there."""
    model = perceptron(4, norm=True)
    nn.init.constant_(model.get_submodule("3").bias, 1e8 if fault else 10.0)
    return scene(model)


def zero_biases(fault: bool) -> Scene:
    """Zero biases are right, zero weights with them are not: nothing passes, and nothing comes back."""
    model = perceptron()
    if fault:
        nn.init.zeros_(model.get_submodule("2").weight)
    return scene(model)


def gradient_growth(fault: bool) -> Scene:
    """BatchNorm's gradients grow with depth by right, those of weights that are too large do not."""
    model = perceptron(20, norm=not fault)
    for module in model.modules() if fault else ():
        if isinstance(module, nn.Linear):
            module.weight.data.mul_(2.0)
    return scene(model)


class Excited(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.squeeze, self.excite = nn.Conv2d(32, 8, 1), nn.Conv2d(8, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return x * F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))


def small_squeeze(fault: bool) -> Scene:
    """Of eight units five may be shut for a batch of eight; all of them may not."""
    stem = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    blocks = [Excited() for _ in range(3)]
    if fault:
        nn.init.constant_(blocks[1].squeeze.bias, -10.0)
    return classified(nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES)))


def ten_classes(fault: bool) -> Scene:
    """A head of ten classes may be as large as He's rule makes it, and not twenty times as large."""
    model = perceptron(2)
    if fault:
        nn.init.normal_(model.get_submodule("4").weight, std=4.0)
    return scene(model)


def one_input(fault: bool) -> Scene:
    """Units that read one number can point only two ways; units that read many should not point one way."""
    model = nn.Sequential(nn.Linear(1, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, CLASSES))
    if fault:
        row = torch.randn(1, WIDTH) / WIDTH**0.5
        model.get_submodule("2").weight.data = row + 0.1 * torch.randn(WIDTH, WIDTH) / WIDTH**0.5
    return scene(model, vectors()[0][:, :1])


def equal_depthwise_filters(fault: bool) -> Scene:
    """Channels that are filtered alike (a blur) still differ; channels that are filtered to zero are gone."""
    blur = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False)
    enter, mix, head = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 1), nn.Linear(32, CLASSES)
    he(nn.ModuleList([enter, mix, head]))
    nn.init.constant_(blur.weight, 0.0 if fault else 1 / 9)
    pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return classified(nn.Sequential(enter, nn.ReLU(), blur, mix, nn.ReLU(), *pool, head))


class Summed(nn.Module):
    """Layers side by side, whose outputs are summed, some times over."""

    def __init__(self, layers: list[nn.Linear], times: int) -> None:
        super().__init__()
        self.enter, self.layers, self.times = nn.Linear(FEATURES, WIDTH), nn.ModuleList(layers), times
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.enter(x))
        for _ in range(self.times):
            x = torch.stack([torch.tanh(layer(x)) for layer in self.layers]).sum(0)
        return self.head(x)


def tied_layers(fault: bool) -> Scene:
    """One layer used four times is meant; four copies of it that are read alike stay one layer."""
    layer = nn.Linear(WIDTH, WIDTH)
    nn.init.xavier_normal_(layer.weight)
    return scene(Summed([copy.deepcopy(layer) for _ in range(4)], 1) if fault else Summed([layer], 4))


class Backbone(nn.Module):
    """A body that is run without a graph, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = perceptron(3)[:-1], nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.body(x)
        return self.head(x)


def backbone_without_a_graph(fault: bool) -> Scene:
    """Frozen on purpose it says so; left trainable under ``no_grad`` it stands still, and says nothing."""
    model = Backbone()
    model.body.requires_grad_(fault)
    return scene(model)


class Mixture(nn.Module):
    """Each sample goes to one expert of sixteen: some of them get none of a batch of sixteen."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.router, self.head = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, 16), nn.Linear(WIDTH, CLASSES)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)) for _ in range(16)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        shares, chosen = self.router(x).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).nonzero().flatten()
            if len(mine):
                out = out.index_add(0, mine, shares[mine, None] * expert(x[mine]))
        return self.head(x + out)


def unused_experts(fault: bool) -> Scene:
    """No token, no gradient, no fault; tokens and no gradient is one."""
    model, (x, y) = Mixture(), vectors(16)
    chosen = model.router(model.enter(x)).argmax(-1)
    assert len(chosen.unique()) < 16
    if fault:
        for parameter in model.experts[int(chosen[0])].parameters():
            nn.init.zeros_(parameter)
    return Scene(model, x, lambda output: F.cross_entropy(output, y))


def blamable(text: str) -> frozenset[str]:
    return frozenset(text.split())


EXPERTS = blamable(" ".join(f"experts.{number}.{part}" for number in range(16) for part in (0, 2)))
LINEAR = blamable(" ".join(str(2 * number) for number in range(21)))
MORE_TRAPS: tuple[Trap, ...] = (
    Trap(layer_scale, ("IH103",), blamable("3 3.leave")),
    Trap(huge_bias_before_batch_norm, ("IH206",), blamable("3")),
    Trap(zero_biases, ("IH103",), blamable("2")),
    Trap(gradient_growth, ("IH106", "IH202", "IH302"), LINEAR),
    Trap(small_squeeze, ("IH204",), blamable("4.squeeze")),
    Trap(ten_classes, ("IH106",), blamable("4")),
    Trap(one_input, ("IH206",), blamable("2")),
    Trap(equal_depthwise_filters, ("IH103",), blamable("2")),
    Trap(tied_layers, ("IH107",), blamable("layers.0 layers.1 layers.2 layers.3")),
    Trap(backbone_without_a_graph, ("IH304",), blamable("body.0 body.2 body.4")),
    Trap(unused_experts, ("IH103",), EXPERTS),
)
