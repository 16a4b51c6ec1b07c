"""Fixes as Python code, which runs unchanged with ``model`` and ``torch.nn as nn`` defined."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from inithealth.evidence.statements import Statement, lines
from inithealth.evidence.statements import code as code
from inithealth.recording import Layer, Weight, weighted
from inithealth.theory.activations import row_of
from inithealth.theory.gains import sets_frequencies, target_gain, target_std

_PARAMETRIZED = re.compile(r"\.?parametrizations\.(\w+)\.original\d*$")
_TORCHS_OWN = ("Linear", *(f"Conv{way}{dimensions}d" for way in ("", "Transpose") for dimensions in (1, 2, 3)))
_FEWEST_IN_A_LOOP = 3
_ALIKE = 1.25  # stds that differ by a smaller factor are those of one initialization
_INDEX = "{i}"  # placeholder for the loop index in a parameter name: no module can have this name


LOWER_RATE = "lower the learning rate, or clip the gradients: Trainer(gradient_clip_val=1.0)"


def each(layers: Sequence[Layer], factor: float = 1.0, expected: Mapping[str, float] | None = None) -> str:
    """Return code that initializes all layers with the gain of their activation, times ``factor``.

    Args:
        expected: rms that weights are to have instead, by layer name, as those of their peers.
    """
    alike: dict[str, tuple[Statement, list[str]]] = {}
    done: set[str] = set()
    for layer, weight in weighted(layers):
        if weight.name in done:
            continue  # a tied weight is one parameter in two layers: it is initialized for the first one
        done.add(weight.name)
        statement = _init(layer, *_initializer(layer, weight, factor, (expected or {}).get(layer.name)))
        alike.setdefault(statement("weight"), (statement, []))[1].append(weight.name)
    return "\n".join(line for statement, targets in alike.values() for line in lines(statement, targets))


def zero_biases(layers: Sequence[Layer]) -> str:
    """Return code that sets the bias of each layer to zero."""
    targets = [layer.bias.name for layer in layers if layer.bias is not None]
    return "\n".join(lines(lambda name: f"nn.init.zeros_({code(name)})", targets))


def start_biases(layers: Sequence[Layer], low: float, high: float) -> str:
    """Return code that initializes the bias of each layer from a uniform distribution."""
    targets = [layer.bias.name for layer in layers if layer.bias is not None]
    return "\n".join(lines(lambda name: f"nn.init.uniform_({code(name)}, {low:g}, {high:g})", targets))


def ones(names: Sequence[str]) -> str:
    """Return code that fills buffers or parameters with ones."""
    return "\n".join(lines(lambda name: f"nn.init.ones_({code(name)})", names))


def scale(layers: Sequence[Layer], factors: Sequence[float]) -> str:
    """Return code that multiplies the weight of each layer by its factor."""
    pairs = [(layer.weight.name, factor) for layer, factor in zip(layers, factors, strict=True) if layer.weight]
    return "\n".join(f"{code(name)}.data.mul_({factor:.2g})" for name, factor in pairs)


def freeze(layers: Sequence[Layer]) -> str:
    """Return code that freezes the layers: their modules, or single parameters of modules with several weights."""
    modules = [layer.module for layer in layers if layer.module and layer.module == layer.name]
    alone = [weight.name for layer, weight in weighted(layers) if layer.module not in modules]
    return "\n".join(lines(lambda name: f"{code(name)}.requires_grad_(False)", list(dict.fromkeys(modules + alone))))


def redraw(layers: Sequence[Layer], stds: Sequence[float] | None = None) -> str:
    """Return code that draws each weight from a normal distribution with its present std, or with a given one."""
    alike: dict[str, tuple[Statement, list[str]]] = {}
    for place, layer in enumerate(layers):
        if layer.weight is not None:
            std = layer.weight.rms if stds is None else stds[place]
            statement = _init(layer, "normal_", f", std={std:.3g}")
            targets = alike.setdefault(statement("weight"), (statement, []))[1]
            if layer.weight.name not in targets:
                targets.append(layer.weight.name)
    return "\n".join(line for statement, targets in alike.values() for line in lines(statement, targets))


def by_depth(layers: Sequence[Layer], branches: int, blocks: int, undo: Sequence[Layer] = ()) -> str:
    """Return code that divides each weight by the square root of the number of branches, and multiplies ``undo``."""
    root = f"math.sqrt(2 * {blocks})" if branches == 2 * blocks else f"math.sqrt({branches})"
    found = [*lines(_changed("/", root), _sizes(layers)), *lines(_changed("*", root), _sizes(undo))]
    return "\n".join(["import math", *found]) if found else ""


def _sizes(layers: Sequence[Layer]) -> list[str]:
    """Return the names of the parameters that set the scale of each weight."""
    names = [(weight.name, _weight_normed(layer)) for layer, weight in weighted(layers)]
    return list(dict.fromkeys(_size_of(name) if normed else name for name, normed in names))


def _size_of(name: str) -> str:
    """Return the name of weight_norm's magnitude for its direction: ``fc.weight_v`` -> ``fc.weight_g``."""
    return name.removesuffix("_v") + "_g"


def _weight_normed(layer: Layer) -> bool:
    """Whether ``torch.nn.utils.weight_norm`` made this weight: torch's own layers have no ``weight_v`` otherwise."""
    return layer.parameter.rpartition(".")[2] == "weight_v" and layer.type_name in _TORCHS_OWN


def _changed(sign: str, factor: str) -> Statement:
    def statement(name: str) -> str:
        whole = _whole(name)
        return f"{whole} = {whole}.detach() {sign} {factor}" if whole else f"{code(name)}.data {sign}= {factor}"

    return statement


def _init(layer: Layer, call: str, arguments: str) -> Statement:
    normed = _weight_normed(layer)

    def statement(name: str) -> str:
        whole = _whole(name)
        if whole is not None:
            return f"{whole} = nn.init.{call}({whole}.detach().clone(){arguments})"
        drawn, size = f"nn.init.{call}({code(name)}{arguments})", code(_size_of(name))
        lengths = f"{code(name)}.detach().flatten(1).norm(dim=1)"
        return f"{drawn}; {size}.data.copy_({lengths}.view_as({size}))" if normed else drawn

    return statement


def _whole(name: str) -> str | None:
    """Return the code of the parametrized weight that a parameter belongs to; assigning it sets the parameters."""
    found = _PARAMETRIZED.search(name)
    return None if found is None else f"{code(name[: found.start()])}.{found.group(1)}"


def _initializer(layer: Layer, weight: Weight, factor: float, expected: float | None) -> tuple[str, str]:
    """Return the name of the torch.nn.init function, and its arguments after the weight."""
    if layer.kind == "norm" or len(weight.shape) < 2:
        return ("ones_", "") if expected is None or _close(expected, 1.0) else ("constant_", f", {expected:.2g}")
    if expected is not None and not _close(expected, _common_std(layer, weight)):
        return "normal_", f", std={expected:.3g}"
    return _common(layer, weight, factor)


def _common_std(layer: Layer, weight: Weight) -> float:
    """Return the std of the weight's common initialization."""
    call, _ = _common(layer, weight, 1.0)
    if call == "orthogonal_":
        return 1 / math.sqrt(max(weight.shape))
    std, fan_in, fan_out = target_std(layer) or math.nan, weight.fan_in or 1, weight.fan_out or 1
    return std * math.sqrt(2 * fan_in / (fan_in + fan_out)) if call == "xavier_uniform_" else std


def _close(one: float, other: float) -> bool:
    return 1 / _ALIKE < one / other < _ALIKE


def _common(layer: Layer, weight: Weight, factor: float) -> tuple[str, str]:
    """Return the common initialization of a matrix: the function and its arguments after the weight."""
    if layer.kind == "embedding":
        return "normal_", ", std=0.02"
    if layer.kind == "rnn":
        return ("orthogonal_" if "hh" in weight.name else "xavier_uniform_"), ""
    if sets_frequencies(layer) and weight.fan_in:  # SIREN: U(-30, 30) over the inputs, inside the sine
        bound = 30 / weight.fan_in / layer.multiplied
        return "uniform_", f", {-bound:.3g}, {bound:.3g}"
    row = row_of(layer)
    gain_name = row.gain_name if row is not None and not layer.activation_parameters else ""
    scheme = row.scheme if row is not None and gain_name else ""
    known = bool(scheme) or target_gain(layer) == 1.0
    std = target_std(layer)
    if std is not None and (factor != 1.0 or not known or not _as_torch_counts(weight)):
        return "normal_", f", std={factor * std:.3g}"
    if scheme in ("kaiming", "lecun"):
        return "kaiming_normal_", f', nonlinearity="{gain_name}"'
    gain = f', gain=nn.init.calculate_gain("{gain_name}")' if scheme == "xavier" else ""
    return "xavier_uniform_", gain


def _as_torch_counts(weight: Weight) -> bool:
    """Return whether torch.nn.init computes the same fan_in; it does not for transposed weights."""
    return weight.fan_in is None or math.prod(weight.shape[1:]) == weight.fan_in
