"""Fixes as Python code, which runs unchanged with ``model`` and ``torch.nn as nn`` defined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inithealth.evidence.fix_text import Fix as Fix
from inithealth.evidence.fix_text import fill, initialize, multiply, scale_by_depth, set_bias
from inithealth.evidence.fix_text import joined as joined
from inithealth.evidence.statements import code as code
from inithealth.layer_kinds import MATRICES
from inithealth.operations import Freeze, Operation, magnitude
from inithealth.recording import Layer, Weight, weighted
from inithealth.theory.activations import row_of
from inithealth.theory.gains import octaves_off, recipe_gains, sets_frequencies, target_gain, target_std
from inithealth.theory.recipes import is_recurrent

_TORCHS_OWN = ("Linear", *(f"Conv{way}{dimensions}d" for way in ("", "Transpose") for dimensions in (1, 2, 3)))
_ALIKE = 1.25  # stds that differ by a smaller factor are those of one initialization

LOWER_RATE = "lower the learning rate, or clip the gradients: Trainer(gradient_clip_val=1.0)"


class _Call(NamedTuple):
    """A function of ``torch.nn.init`` and its arguments; without a function, a constant."""

    initializer: str
    numbers: tuple[float, ...] = ()
    nonlinearity: str = ""


def each(layers: Sequence[Layer], factor: float = 1.0, expected: Mapping[str, float] | None = None) -> Fix:
    """Return code that initializes all layers with the gain of their activation, times ``factor``.

    Args:
        expected: rms that weights are to have instead, by layer name, as those of their peers.
    """
    found: dict[str, Operation] = {}
    for layer, weight in weighted(layers):
        if weight.name not in found:  # a tied weight is one parameter in two layers: it is initialized for the first
            found[weight.name] = _initialized(layer, weight, factor, (expected or {}).get(layer.name))
    return Fix.of(found.values())


def with_branches(layers: Sequence[Layer], branches: int) -> Fix:
    """Return code that initializes all layers, those at the ends of residual branches smaller by their number."""
    ends = [layer for layer in layers if layer.ends_branch]
    others = [layer for layer in layers if not layer.ends_branch]
    scale = max(1, branches) ** -0.5
    return joined(*(each(some, factor=factor) for some, factor in ((others, 1.0), (ends, scale)) if some))


def with_own_scale(layers: Sequence[Layer]) -> Fix:
    """Return code that draws all layers anew: with the present rms where it is usual, else with the expected gain.

    For weights with another fault than their scale: a network may need the scale that its author chose.
    """
    return each(layers, expected={layer.name: size for layer, size in map(_usual_size, layers) if size})


def zero_biases(layers: Sequence[Layer]) -> Fix:
    """Return code that sets the bias of each layer to zero."""
    return Fix.of(initialize(layer.bias.name, "zeros") for layer in layers if layer.bias is not None)


def start_biases(layers: Sequence[Layer], low: float, high: float) -> Fix:
    """Return code that initializes the bias of each layer from a uniform distribution."""
    return Fix.of(initialize(layer.bias.name, "uniform", low, high) for layer in layers if layer.bias is not None)


def set_biases(layers: Sequence[Layer], value: float) -> Fix:
    """Return code that sets the bias of each layer to a value, as that of a prior."""
    return joined(*(Fix.of([set_bias(layer.bias.name, value)]) for layer in layers if layer.bias is not None))


def ones(names: Sequence[str]) -> Fix:
    """Return code that fills buffers or parameters with ones."""
    return Fix.of(initialize(name, "ones") for name in names)


def orthogonal(layers: Sequence[Layer]) -> Fix:
    """Return code that gives each layer an orthogonal weight."""
    return joined(*(Fix.of([initialize(weight.name, "orthogonal")]) for _, weight in weighted(layers)))


def xavier(layers: Sequence[Layer]) -> Fix:
    """Return code that gives each layer Xavier's weights."""
    return Fix.of(initialize(weight.name, "xavier_uniform") for _, weight in weighted(layers))


def scale(layers: Sequence[Layer], factors: Sequence[float]) -> Fix:
    """Return code that multiplies the weight of each layer by its factor."""
    pairs = [(layer.weight.name, factor) for layer, factor in zip(layers, factors, strict=True) if layer.weight]
    return joined(*(Fix.of([multiply(name, factor)]) for name, factor in pairs))


def freeze(layers: Sequence[Layer]) -> Fix:
    """Return code that freezes the layers: their modules, or single parameters of modules with several weights."""
    modules = [layer.module for layer in layers if layer.module and layer.module == layer.name]
    alone = [weight.name for layer, weight in weighted(layers) if layer.module not in modules]
    return Fix.of(Freeze(parameter=name) for name in dict.fromkeys(modules + alone))


def redraw(layers: Sequence[Layer], stds: Sequence[float] | None = None) -> Fix:
    """Return code that draws each weight from a normal distribution with its present std, or with a given one."""
    found: dict[Operation, None] = {}
    for place, layer in enumerate(layers):
        if layer.weight is not None:
            std = layer.weight.rms if stds is None else stds[place]
            found.setdefault(initialize(layer.weight.name, "normal", std, sets_magnitude=is_weight_normed(layer)))
    return Fix.of(found)


def by_depth(layers: Sequence[Layer], branches: int, blocks: int, undo: Sequence[Layer] = ()) -> Fix:
    """Return code that divides each weight by the square root of the number of branches, and multiplies ``undo``.

    A single branch is initialized anew: there is nothing to divide by.
    """
    if branches == 1:
        return each([*layers, *undo])
    paired = branches == 2 * blocks
    divided = [scale_by_depth(name, branches, paired=paired) for name in _sizes(layers)]
    return Fix.of([*divided, *(scale_by_depth(n, branches, paired=paired, inverse=True) for n in _sizes(undo))])


def _sizes(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the parameters that set the scale of each weight."""
    names = [(weight.name, is_weight_normed(layer)) for layer, weight in weighted(layers)]
    return list(dict.fromkeys(magnitude(name) if normed else name for name, normed in names))


def is_weight_normed(layer: Layer) -> bool:
    """Whether ``torch.nn.utils.weight_norm`` made this weight: torch's own layers have no ``weight_v`` otherwise."""
    return layer.parameter.rpartition(".")[2] == "weight_v" and layer.type_name in _TORCHS_OWN


def _initialized(layer: Layer, weight: Weight, factor: float, expected: float | None) -> Operation:
    """Return the operation that initializes a weight, by default as is common for such a layer."""
    common = _common(layer, weight, factor)
    if layer.kind == "norm" or len(weight.shape) < 2:
        common = _Call("ones") if expected is None or _close(expected, 1.0) else _Call("", (expected,))
    elif expected is not None and not _close(expected, _common_std(layer, weight)):
        common = _Call("normal", (expected,))
    if not common.initializer:
        return fill(weight.name, *common.numbers)
    call, normed = common.initializer, is_weight_normed(layer)
    return initialize(weight.name, call, *common.numbers, nonlinearity=common.nonlinearity, sets_magnitude=normed)


def _common_std(layer: Layer, weight: Weight) -> float:
    """Return the std of the weight's common initialization."""
    call = _common(layer, weight, 1.0).initializer
    if call == "orthogonal":
        return 1 / math.sqrt(max(weight.shape))
    std, fan_in, fan_out = target_std(layer) or math.nan, weight.fan_in or 1, weight.fan_out or 1
    return std * math.sqrt(2 * fan_in / (fan_in + fan_out)) if call == "xavier_uniform" else std


def _usual_size(layer: Layer) -> tuple[Layer, float | None]:
    """Return the weight's rms if it is one of a common initialization, else None."""
    weight = layer.weight
    if weight is None or layer.kind not in MATRICES or not weight.gain or not math.isfinite(weight.gain):
        return layer, None
    return layer, weight.rms if octaves_off(weight.gain, recipe_gains(layer, weight)) == 0.0 else None


def _close(one: float, other: float) -> bool:
    return 1 / _ALIKE < one / other < _ALIKE


def _common(layer: Layer, weight: Weight, factor: float) -> _Call:
    """Return the common initialization of a matrix."""
    if layer.kind == "embedding":
        return _Call("normal", (0.02,))
    if is_recurrent(layer):
        return _Call("orthogonal" if "hh" in weight.name else "xavier_uniform")
    if sets_frequencies(layer) and weight.fan_in:  # SIREN: U(-30, 30) over the inputs, inside the sine
        bound = 30 / weight.fan_in / layer.multiplied
        return _Call("uniform", (-bound, bound))
    row = row_of(layer)
    gain_name = row.gain_name if row is not None and not layer.activation_parameters else ""
    scheme = row.scheme if row is not None and gain_name else ""
    known = bool(scheme) or target_gain(layer) == 1.0
    std = target_std(layer)
    if std is not None and (factor != 1.0 or not known or not _as_torch_counts(weight)):
        return _Call("normal", (factor * std,))
    if scheme in ("kaiming", "lecun"):
        return _Call("kaiming_normal", nonlinearity=gain_name)
    return _Call("xavier_uniform", nonlinearity=gain_name if scheme == "xavier" else "")


def _as_torch_counts(weight: Weight) -> bool:
    """Return whether torch.nn.init computes the same fan_in; it does not for transposed weights."""
    return weight.fan_in is None or math.prod(weight.shape[1:]) == weight.fan_in
