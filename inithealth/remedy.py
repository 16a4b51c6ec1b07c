"""Fixes as code to type, with the layer's name filled in."""

from __future__ import annotations

import re

from inithealth.recording import Layer
from inithealth.theory import wanted_gain

# Activations whose gain torch.nn.init.calculate_gain knows and that He initialization is made for.
_HE = {"relu": "relu", "leaky_relu": "leaky_relu", "prelu": "leaky_relu", "rrelu": "leaky_relu"}


def code(name: str) -> str:
    """``layers.3.fc`` as one writes it: ``model.layers[3].fc``."""
    return "model" + re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", f".{name}") if name else "model"


def initialize(layer: Layer) -> str:
    """The initialization that the layer's activation wants."""
    if layer.weight is None:
        return f"initialize {code(layer.name)}"
    target = code(layer.weight.name)
    if layer.kind == "norm":
        return f"nn.init.ones_({target})"
    if layer.kind == "embedding":
        return f"nn.init.normal_({target}, std=0.02)"
    if layer.kind == "rnn":
        return f"nn.init.orthogonal_({target})" if "hh" in layer.weight.name else f"nn.init.xavier_uniform_({target})"
    if layer.activation in _HE:
        return f'nn.init.kaiming_normal_({target}, nonlinearity="{_HE[layer.activation]}")'
    if layer.activation == "selu":
        return f'nn.init.kaiming_normal_({target}, nonlinearity="linear")'
    if layer.activation in ("tanh", "sigmoid"):
        return f'nn.init.xavier_uniform_({target}, gain=nn.init.calculate_gain("{layer.activation}"))'
    if wanted_gain(layer) != 1.0 and layer.weight.fan_in:
        return f"nn.init.normal_({target}, std={wanted_gain(layer):.3g} / math.sqrt({layer.weight.fan_in}))"
    return f"nn.init.xavier_uniform_({target})"


def zero_bias(layer: Layer) -> str:
    return f"nn.init.zeros_({code(layer.bias.name)})" if layer.bias is not None else initialize(layer)


def each(layers: list[Layer]) -> str:
    """One line for a group: the first layer's, and how many more want the same."""
    first = initialize(layers[0])
    return first if len(layers) == 1 else f"{first}  # and the same for the {len(layers) - 1} other layers"
