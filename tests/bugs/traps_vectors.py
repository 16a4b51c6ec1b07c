"""Traps of plain layers: biases, zeros, constants, norms and frozen layers."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import Scene
from .plain import CLASSES, FEATURES, WIDTH, vectors
from .trap import Trap, he, perceptron, scene


def huge_bias_before_batch_norm(fault: bool) -> Scene:
    """BatchNorm removes any bias, unless it is so large that rounding erases the signal before the norm."""
    model = perceptron(4, norm=True)
    nn.init.constant_(model.get_submodule("3").bias, 1e8 if fault else 10.0)
    return scene(model)


def bias_before_batch_norm(fault: bool) -> Scene:
    """BatchNorm removes the bias and its gradient; without the norm the bias makes every unit inactive."""
    model = perceptron(3, norm=True)
    nn.init.constant_(model.get_submodule("3").bias, -20.0)
    if fault:
        model[4] = nn.Identity()
    return scene(model)


def zero_biases(fault: bool) -> Scene:
    """Zero biases are healthy; with zero weights they block the signal and the gradient."""
    model = perceptron()
    if fault:
        nn.init.zeros_(model.get_submodule("2").weight)
    return scene(model)


def expected_constants(fault: bool) -> Scene:
    """Zero biases and norm weights of one are healthy; a constant matrix makes its units identical."""
    layers = [part for _ in range(3) for part in (nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.GELU())]
    model = he(nn.Sequential(nn.Linear(FEATURES, WIDTH), *layers, nn.Linear(WIDTH, CLASSES)))
    if fault:
        nn.init.constant_(model.get_submodule("4").weight, 0.1)
    return scene(model)


def half_of_the_outputs_zero(fault: bool) -> Scene:
    """ReLU makes half of its outputs zero, and some units inactive on eight samples; a bias of -8 makes all dead."""
    model = he(nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, WIDTH), nn.ReLU()))
    if fault:
        nn.init.constant_(model.get_submodule("2").bias, -8.0)
    return scene(nn.Sequential(*model.children(), nn.Linear(WIDTH, CLASSES)), vectors(8)[0])


def gradient_growth(fault: bool) -> Scene:
    """Gradients that grow with depth due to BatchNorm are healthy; those due to large weights are not."""
    model = perceptron(20, norm=not fault)
    for module in model.modules() if fault else ():
        if isinstance(module, nn.Linear):
            module.weight.data.mul_(2.0)
    return scene(model)


def ten_classes(fault: bool) -> Scene:
    """A head of ten classes may have He's scale, but not twenty times that."""
    model = perceptron(2)
    if fault:
        nn.init.normal_(model.get_submodule("4").weight, std=4.0)
    return scene(model)


def ten_classes_of_wide_features(fault: bool) -> Scene:
    """The same head on 1,024 features, where fan_in and fan_out differ by a factor of a hundred."""
    return scene(he(nn.Sequential(nn.Linear(FEATURES, 1024), nn.ReLU(), nn.Linear(1024, CLASSES))))


def one_input(fault: bool) -> Scene:
    """Units with one input have only two directions; units with many inputs should not have only one."""
    model = nn.Sequential(nn.Linear(1, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, CLASSES))
    if fault:
        row = torch.randn(1, WIDTH) / WIDTH**0.5
        model.get_submodule("2").weight.data = row + 0.1 * torch.randn(WIDTH, WIDTH) / WIDTH**0.5
    return scene(model, vectors()[0][:, :1])


def sigmoid_output(fault: bool) -> Scene:
    """Ten probabilities with targets of one half: the initial loss is the minimum."""
    model = perceptron().append(nn.Sigmoid())
    return Scene(model, vectors()[0], lambda output: F.binary_cross_entropy(output, torch.full_like(output, 0.5)))


class Summed(nn.Module):
    """Parallel layers with summed outputs, some of them used several times."""

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
    """One layer used four times is intentional; four identical copies with equal outgoing weights stay one layer."""
    layer = nn.Linear(WIDTH, WIDTH)
    nn.init.xavier_normal_(layer.weight)
    return scene(Summed([copy.deepcopy(layer) for _ in range(4)], 1) if fault else Summed([layer], 4))


def frozen_backbone(fault: bool) -> Scene:
    """Frozen layers need no gradient, but they carry the signal to the layers that train."""
    model = perceptron(5)
    if fault:
        model.get_submodule("4").weight.data *= 1e-4
    for module in list(model.children())[:-1]:
        module.requires_grad_(False)
    return scene(model)


class Backbone(nn.Module):
    """A body that runs without a graph, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = perceptron(3)[:-1], nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.body(x)
        return self.head(x)


def backbone_without_a_graph(fault: bool) -> Scene:
    """A frozen backbone may run in ``no_grad``; a trainable one does not train there, without any error."""
    model = Backbone()
    model.body.requires_grad_(fault)
    return scene(model)


VECTOR_TRAPS: tuple[Trap, ...] = (
    Trap(huge_bias_before_batch_norm, ("IH206",), "3"),
    Trap(bias_before_batch_norm, ("IH204",), "3"),
    Trap(zero_biases, ("IH103",), "2"),
    Trap(expected_constants, ("IH104", "IH105"), "4"),
    Trap(half_of_the_outputs_zero, ("IH204",), "2"),
    Trap(gradient_growth, ("IH106", "IH202", "IH302"), r"\d+"),
    Trap(ten_classes, ("IH106",), "4"),
    Trap(ten_classes_of_wide_features),
    Trap(one_input, ("IH206",), "2"),
    Trap(sigmoid_output),
    Trap(tied_layers, ("IH107",), r"layers\.[0-3]"),
    # A live step has no graph of frozen layers, so vanishing activations (IH201) are reported, not the weights.
    Trap(frozen_backbone, ("IH106",), "4", watched=False),
    Trap(backbone_without_a_graph, ("IH304",), r"body\.[024]"),
)
