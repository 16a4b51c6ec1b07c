"""Activations and initializations of the fresh plans."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import init

MODULES: dict[str, Callable[[], nn.Module]] = {
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "celu": nn.CELU,
    "relu6": nn.ReLU6,
    "softsign": nn.Softsign,
    "hardtanh": nn.Hardtanh,
    "prelu": nn.PReLU,
    "leaky_relu .3": partial(nn.LeakyReLU, 0.3),
}


def _he(weight: Tensor) -> Tensor:
    return init.kaiming_normal_(weight, nonlinearity="relu")


def _std(weight: Tensor) -> float:
    """Return the standard deviation of He initialization."""
    return math.sqrt(2 / weight[0].numel())


def _laplace(weight: Tensor) -> Tensor:
    """Fill with a heavy-tailed distribution that has the standard deviation of He initialization."""
    uniform = torch.rand_like(weight) - 0.5
    drawn = -uniform.sign() * (-2 * uniform.abs()).log1p()
    return weight.copy_(drawn * _std(weight) / math.sqrt(2))


def _identity(weight: Tensor) -> Tensor:
    """Fill with the identity matrix or kernel and a little noise (Le et al. 2015)."""
    kept = init.dirac_(weight) if weight.ndim > 2 else init.eye_(weight)
    return weight.copy_(kept + 0.01 * torch.randn_like(weight))


RULES: dict[str, Callable[[Tensor], object]] = {
    "lecun uniform": lambda weight: init.uniform_(weight, -_std(weight) * 1.5**0.5, _std(weight) * 1.5**0.5),
    "he bias 0.1": _he,
    "he bias -0.5": _he,
    "he x1.4": lambda weight: _he(weight).mul_(1.4),
    "xavier x3": lambda weight: init.xavier_normal_(weight, 3.0),
    "xavier /2": lambda weight: init.xavier_normal_(weight, 0.5),
    "orthogonal x2": lambda weight: init.orthogonal_(weight, 2.0),
    "normal 0.05": lambda weight: init.normal_(weight, std=0.05),
    "normal 0.3": lambda weight: init.normal_(weight, std=0.3),
    "uniform 0.3": lambda weight: init.uniform_(weight, -0.3, 0.3),
    "laplace": _laplace,
    "identity": _identity,
    "he shifted": lambda weight: _he(weight).add_(0.5 * _std(weight)),
    "he first x10": _he,
    "he last x10": _he,
    "he middle /30": _he,
}
BIASES = {"he bias 0.1": 0.1, "he bias -0.5": -0.5}
# Relative position of the layer (0: first, 1: last), and the factor of its weights.
SINGLE_LAYERS = {"he first x10": (0.0, 10.0), "he last x10": (1.0, 10.0), "he middle /30": (0.5, 1 / 30)}


def rescale(layers: list[nn.Module], name: str) -> None:
    """Rescale the weights of a single layer if the initialization has one in `SINGLE_LAYERS`."""
    if name in SINGLE_LAYERS:
        place, factor = SINGLE_LAYERS[name]
        weight = layers[round(place * (len(layers) - 1))].weight
        assert isinstance(weight, Tensor)
        weight.mul_(factor)
