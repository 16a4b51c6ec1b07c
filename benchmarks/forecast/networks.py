"""The networks of the grid, and their initializations as commonly written: weights by the rule, biases zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.nn import init

from benchmarks.fresh import rules as fresh

from .grid import Plan

PIXELS, SIDE, CLASSES = 64, 8, 10
MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    **fresh.MODULES,
}
ALTERNATING = ("relu", "tanh", "gelu", "elu", "silu")  # used in turn


class Residual(nn.Module):
    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class _Parts:
    """Creates the layers of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.conv = plan, plan.kind == "conv"
        self.activations = cycle(ALTERNATING if plan.activation == "alternating" else (plan.activation,))

    def first(self) -> nn.Module:
        width = self.plan.width
        return nn.Conv2d(1, width, 3, stride=2, padding=1) if self.conv else nn.Linear(PIXELS, width)

    def layer(self) -> nn.Module:
        width = self.plan.width
        return nn.Conv2d(width, width, 3, padding=1) if self.conv else nn.Linear(width, width)

    def activation(self) -> list[nn.Module]:
        """Return a normalization, if the plan has one, and the activation."""
        width, norms = self.plan.width, []
        if self.plan.norm == "batch":
            norms = [nn.BatchNorm2d(width) if self.conv else nn.BatchNorm1d(width)]
        if self.plan.norm == "layer":
            norms = [nn.GroupNorm(1, width) if self.conv else nn.LayerNorm(width)]
        return [*norms, MODULES[next(self.activations)]()]


def build(plan: Plan) -> nn.Module:
    """Build the plan's network. Weights are drawn from torch's global random state.

    Residual blocks are pre-activated (He et al. 2016b): normalization and activation precede each of their two layers,
    and the head. The convolutional networks halve the image in their first layer and flatten it before the head.
    """
    parts = _Parts(plan)
    layers = [parts.first()]
    if plan.skip == "residual":
        for _ in range((plan.depth - 1) // 2):
            layers += [Residual(*parts.activation(), parts.layer(), *parts.activation(), parts.layer())]
        layers += parts.activation()
    else:
        layers += parts.activation()
        for _ in range(plan.depth - 1):
            layers += [parts.layer(), *parts.activation()]
    layers += [nn.Flatten()] if parts.conv else []
    positions = (SIDE // 2) ** 2 if parts.conv else 1
    model = nn.Sequential(*layers, nn.Linear(plan.width * positions, CLASSES))
    if plan.init != "default":
        with torch.no_grad():
            initialize(model, plan)
    return model


def initialize(model: nn.Sequential, plan: Plan) -> None:
    """Apply the plan's rule to every weight, then its exceptions for single layers."""
    layers = [part for part in model.modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    for layer in layers:
        RULES[plan.init](layer.weight, plan)
        init.constant_(layer.bias, BIASES.get(plan.init, 0.0))
    fresh.rescale(layers, plan.init)
    ends = [part.branch[-1].weight for part in model.modules() if isinstance(part, Residual)]
    for end in ends:
        if plan.init == "gpt":  # one residual layer per block; a transformer has two
            end.mul_(len(ends) ** -0.5)
    if plan.init == "zero last":
        for end in ends or [model[-1].weight]:
            end.zero_()


def _gain(plan: Plan) -> float:
    """Return the gain that torch recommends for the activation, or ReLU's gain if it recommends none."""
    known = ("tanh", "sigmoid", "selu", "leaky_relu")
    return init.calculate_gain(plan.activation if plan.activation in known else "relu")


def _fan_in(weight: Tensor) -> int:
    return weight[0].numel()


def _sparse(weight: Tensor, connections: int) -> None:
    """Set this many inputs of each unit to random values (Martens 2010). Torch's version does not accept kernels."""
    init.sparse_(weight.view(len(weight), -1).T, max(0.0, 1 - connections / _fan_in(weight)), std=1.0)


def _normal(std: float) -> Callable[[Tensor, Plan], object]:
    return lambda weight, plan: init.normal_(weight, std=std)


def _he(weight: Tensor, plan: Plan) -> Tensor:
    return init.kaiming_normal_(weight, nonlinearity="relu")


def _xavier(weight: Tensor, plan: Plan) -> Tensor:
    return init.xavier_uniform_(weight)


def _without_plan(rule: Callable[[Tensor], object]) -> Callable[[Tensor, Plan], object]:
    return lambda weight, plan: rule(weight)


BIASES = {"xavier bias 1": 1.0, "constant 0.01": 0.01, **fresh.BIASES}
RULES: dict[str, Callable[[Tensor, Plan], object]] = {
    "xavier normal": lambda weight, plan: init.xavier_normal_(weight),
    "xavier uniform": _xavier,
    "xavier bias 1": _xavier,
    "he normal": _he,
    "he uniform": lambda weight, plan: init.kaiming_uniform_(weight, nonlinearity="relu"),
    "he normal fan_out": lambda weight, plan: init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu"),
    "he uniform fan_out": lambda weight, plan: init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="relu"),
    "he x2": lambda weight, plan: _he(weight, plan).mul_(2),
    "he /2": lambda weight, plan: _he(weight, plan).div_(2),
    "lecun": lambda weight, plan: init.normal_(weight, std=_fan_in(weight) ** -0.5),
    "orthogonal": lambda weight, plan: init.orthogonal_(weight),
    "orthogonal gain": lambda weight, plan: init.orthogonal_(weight, _gain(plan)),
    "normal 0.001": _normal(0.001),
    "normal 0.01": _normal(0.01),
    "normal 0.02": _normal(0.02),
    "normal 0.1": _normal(0.1),
    "normal 1": _normal(1.0),
    "trunc_normal 0.02": lambda weight, plan: init.trunc_normal_(weight, std=0.02),
    "uniform 0.05": lambda weight, plan: init.uniform_(weight, -0.05, 0.05),
    "positive 1": lambda weight, plan: init.uniform_(weight),  # the default bounds of torch
    "positive /fan": lambda weight, plan: init.uniform_(weight, 0, 1 / _fan_in(weight)),
    "positive /sqrt(fan)": lambda weight, plan: init.uniform_(weight, 0, 1 / math.sqrt(_fan_in(weight))),
    "sparse": lambda weight, plan: _sparse(weight, 15),
    "constant 0.01": lambda weight, plan: init.constant_(weight, 0.01),
    "zeros": lambda weight, plan: init.zeros_(weight),
    "zero last": _he,
    "gpt": _normal(0.02),
    **{name: _without_plan(rule) for name, rule in fresh.RULES.items()},
}
