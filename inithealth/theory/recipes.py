"""The initializations in common use: the std that each gives a layer's weight, and its likelihood for that layer.

References:
    Xavier: Glorot and Bengio 2010. Kaiming: He et al. 2015, https://arxiv.org/abs/1502.01852
    LeCun: LeCun et al. 1998, "Efficient BackProp". T5: https://arxiv.org/abs/1910.10683
    muP: Yang et al. 2022, https://arxiv.org/abs/2203.03466
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from inithealth.layer_kinds import DRAWN, MATRICES, PROJECTIONS
from inithealth.recording import Layer, Weight
from inithealth.theory.activations import row_of
from inithealth.theory.distributions import TRUNCATED_STD, Drawn

_USUAL_SLOPE = 0.2  # of a leaky ReLU, if none is recorded
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_HEAD_DIMS = (32, 64, 80, 96, 128)  # head sizes in T5-style models, which divide the query's variance by them
# Common literal values, the most frequent first.
_STDS = (0.02, 0.01, 0.1, 1.0, 0.05, 0.001, 0.2, 0.5, 0.006)
_BOUNDS = (0.1, 0.05, 0.01, 0.08, 1.0, 0.001, 0.003, 0.5)


class Recipe(NamedTuple):
    """One initialization of one weight."""

    name: str
    text: str
    std: float
    cost: float  # negative logarithm of its prior odds for this layer


def recipes(layer: Layer, weight: Weight, drawn: Drawn) -> list[Recipe]:
    """Return all recipes with this distribution, for this layer's shape."""
    found = [*_default(layer, weight, drawn), *_plain(drawn)]
    if layer.kind in DRAWN and len(weight.shape) > 1:
        found += _by_fans(layer, weight, drawn)
    if drawn.kind == "normal" and weight.fan_in and layer.kind in MATRICES:
        # GPT-NeoX and BLOOM: the smaller dimension is the model's width.
        found.append(Recipe("normal", "normal sqrt(2/5d)", (0.4 / min(shape_fans(weight))) ** 0.5, 2.5))
        if layer.head:
            found.append(Recipe("mup", "muP readout 1/fan_in", 1 / weight.fan_in, 2.0))
        if layer.feeds == "attention":
            found += [
                Recipe("t5", f"T5 query 1/sqrt(d*{size})", (weight.fan_in * size) ** -0.5, 2.0) for size in _HEAD_DIMS
            ]
    return found


def default_bound(layer: Layer, weight: Weight) -> float | None:
    """Return the bound of the uniform distribution that PyTorch's layer uses by default; None if it uses none."""
    if len(weight.shape) < 2:
        return None
    if layer.type_name == "MultiheadAttention" and "in_proj" in weight.name:
        return math.sqrt(6.0 / sum(shape_fans(weight)))
    if is_recurrent(layer):
        return 1 / math.sqrt(_hidden(layer, weight))
    if layer.kind in PROJECTIONS:
        return 1 / math.sqrt(shape_fans(weight)[0])
    return 1 / math.sqrt(weight.shape[1]) if layer.kind == "bilinear" else None


def is_recurrent(layer: Layer) -> bool:
    """Return whether a weight is of a recurrent module of PyTorch, fused or not."""
    return layer.kind == "rnn" or layer.type_name.removesuffix("Cell") in _GATES


def shape_fans(weight: Weight) -> tuple[int, int]:
    """Return fan_in and fan_out as torch.nn.init computes them from a shape, ignoring groups and transposition."""
    field = math.prod(weight.shape[2:])
    return weight.shape[1] * field, weight.shape[0] * field


def _hidden(layer: Layer, weight: Weight) -> int:
    """Return the hidden size of a recurrent layer."""
    if "weight_hr" in weight.name:  # a projection of the state: [outputs, state]
        return weight.shape[1]
    gates = next((count for word, count in _GATES.items() if word in layer.type_name), 4)
    return max(1, weight.shape[0] // gates)


def _default(layer: Layer, weight: Weight, drawn: Drawn) -> Iterator[Recipe]:
    bound = default_bound(layer, weight) if drawn.kind == "uniform" else None
    if bound is not None:
        yield Recipe("torch_default", "PyTorch default", bound / 3**0.5, 0.0)
    if layer.kind == "embedding" and drawn.kind == "normal":
        yield Recipe("torch_default", "PyTorch default", 1.0, 0.0)


def _plain(drawn: Drawn) -> Iterator[Recipe]:
    if drawn.kind == "uniform":
        for place, bound in enumerate(_BOUNDS):
            yield Recipe("uniform", f"uniform {bound:g}", bound / 3**0.5, 1.0 + place / 4)
    for place, std in enumerate(_STDS if drawn.kind != "uniform" else ()):
        if drawn.kind == "truncated":
            yield Recipe("trunc_normal", f"trunc normal {std:g}", std * TRUNCATED_STD, 0.5 + place / 4)
        else:
            yield Recipe("normal", f"normal {std:g}", std, 0.5 + place / 4)


def _by_fans(layer: Layer, weight: Weight, drawn: Drawn) -> Iterator[Recipe]:
    word = "trunc normal" if drawn.kind == "truncated" else drawn.kind
    fans = {shape_fans(weight): ""}
    if weight.fan_in and weight.fan_out and layer.kind != "embedding":
        fans.setdefault((weight.fan_in, weight.fan_out), " true fans")
    for (fan_in, fan_out), which in fans.items():
        for family, gain, way, fan, cost in _families(layer, fan_in, fan_out):
            text = f"{family} {word}{way}{which}{_gain(family, gain)}"
            more = 0.0 if not which else 1.0
            yield Recipe(family.lower(), text, gain / math.sqrt(fan), cost + more)
            if drawn.kind == "truncated":  # truncated without rescaling the std
                yield Recipe(family.lower(), f"{text} cut", TRUNCATED_STD * gain / math.sqrt(fan), cost + more + 1)


def _families(layer: Layer, fan_in: int, fan_out: int) -> Iterator[tuple[str, float, str, float, float]]:
    """Yield name, gain, mode, fan and cost of each family."""
    row = row_of(layer)
    scheme = row.scheme if row is not None else ""
    rectified, squashed, normalizes_itself = (scheme == each for each in ("kaiming", "xavier", "lecun"))
    he = 0.0 if rectified else 1.5
    yield "Kaiming", 2**0.5, "", fan_in, he
    yield "Kaiming", 2**0.5, " fan_out", fan_out, he + (0.0 if layer.kind == "conv" else 1.0)
    if row is not None and "negative_slope" in row.parameters:
        (slope,) = layer.activation_parameters or (_USUAL_SLOPE,)
        yield "Kaiming", (2 / (1 + slope**2)) ** 0.5, "", fan_in, 1.0
    yield "Kaiming", 1.0, " fan_out", fan_out, 3.0
    for gain in (5 / 3, 0.75):
        yield "Kaiming", gain, "", fan_in, 2.0 if squashed or normalizes_itself else 3.5
    yield "LeCun", 1.0, "", fan_in, 2.0 if rectified else 0.0 if normalizes_itself else 1.0
    middle = (fan_in + fan_out) / 2
    yield "Xavier", 1.0, "", middle, 1.0 if rectified else 0.0 if squashed else 0.5
    yield "Xavier", 5 / 3, "", middle, 0.5 if squashed else 3.0
    yield "Xavier", 2**0.5, "", middle, 1.5 if rectified else 3.0


def _gain(family: str, gain: float) -> str:
    usual = 2**0.5 if family == "Kaiming" else 1.0
    return "" if gain == usual else f" gain {gain:.3g}"
