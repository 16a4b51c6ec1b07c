"""The quantities of a layer: how each is read and formatted, its target, and the rules that judge it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from inithealth.evidence.targets import SCALE_RULES, Target, Targets, weight_size
from inithealth.evidence.wording import number
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Measurement, Signal

_SAME = 1.1  # largest over smallest value up to which values are shown as one number
_VARIOUS = "several"
# Names of the rules whose cause may be a scale that the rule does not judge itself.
_SYMPTOMS = frozenset(
    {
        "vanishing-activations",
        "exploding-activations",
        "vanishing-gradients",
        "exploding-gradients",
        "dead-units",
        "saturated-units",
        "saturated-attention",
        "loss-at-init",
    }
)
RANGE = ".."  # separates the smallest and the largest value of several layers

Read = Callable[[Layer, Measurement], Any]


@dataclass(frozen=True)
class Column:
    """One quantity of a layer.

    Attributes:
        field: field of the JSON's layers or measurements; without it there is no value.
        heading: heading of the column.
        read: returns the value, a number or a text; None if there is none, or if it was not measured.
        meaning: description of the value for the table's legend; empty if it needs none.
        write: formats a number.
        missing: the text if there is no value.
        is_text: whether the column is aligned to the left.
        target: returns the expected value of a layer.
        rules: names of the rules that judge the quantity; values are marked if one of them found something.
        symptoms: names of rules whose cause it may be; then values outside their target are marked.
        is_optional: whether the column is shown only if a rule found something in it.
    """

    field: str
    heading: str
    read: Read
    meaning: str = ""
    write: Callable[[float], str] = number
    missing: str = "-"
    is_text: bool = False
    target: Callable[[Targets, Layer], Target] | None = None
    rules: frozenset[str] = frozenset()
    symptoms: frozenset[str] = frozenset()
    is_optional: bool = False

    def text(self, values: Sequence[Any]) -> str:
        """Return the text of one layer's value, or of several layers' values: the common value, or the range."""
        known = [value for value in values if value is not None]
        if not known:
            return self.missing
        if any(isinstance(value, str) for value in known):
            return str(known[0]) if len(set(known)) == 1 else _VARIOUS
        if any(math.isnan(value) for value in known):
            return self.write(math.nan)
        low, high = min(known), max(known)
        if low == high:
            return self.write(low)
        if low > 0 and high <= _SAME * low:
            return self.write(float(f"{median(known):.2g}"))
        return RANGE.join(self.write(float(f"{value:.2g}")) for value in (low, high))


@dataclass(frozen=True)
class SignalSize:
    """Reads the size of one of a layer's signals, which also has the number of non-finite elements."""

    signal: Callable[[Measurement], Signal | None]
    size: Callable[[Signal], float]

    def __call__(self, layer: Layer, measurement: Measurement) -> float | None:
        signal = self.signal(measurement)
        return None if signal is None else self.size(signal)


OUTPUT_RMS = SignalSize(lambda m: m.output, lambda signal: signal.rms)
GRADIENT_NORM = SignalSize(lambda m: m.gradient, lambda signal: signal.norm)


def _finite(read: SignalSize) -> Read:
    """Return the size, or NaN if an element is not finite; the size itself ignores such elements."""

    def size(layer: Layer, m: Measurement) -> float | None:
        signal = read.signal(m)
        return math.nan if signal is not None and signal.non_finite else read(layer, m)

    return size


SHAPE = Column(
    "weight",
    "shape",
    lambda layer, m: layer.weight and "x".join(map(str, layer.weight.shape)),
    missing="",
    is_text=True,
)
SCHEME = Column("scheme", "init", lambda layer, m: layer.scheme and layer.scheme.text, is_text=True)
FEEDS = Column(
    "activation", "feeds", lambda layer, m: layer.activation or layer.feeds or None, missing="", is_text=True
)
STD = Column(
    "weight",
    "std",
    lambda layer, m: weight_size(layer),
    "of the weight",
    target=Targets.std,
    rules=SCALE_RULES,
    symptoms=_SYMPTOMS,
)
GAIN = Column(
    "input",
    "gain",
    lambda layer, m: m.gain if layer.kind in MATRICES else None,
    "output rms / input rms",
    target=Targets.gain,
    rules=frozenset({"weight-scale"}),
    symptoms=SCALE_RULES | _SYMPTOMS,
)
OUTPUT = Column(
    "output",
    "out rms",
    _finite(OUTPUT_RMS),
    rules=frozenset({"vanishing-activations", "exploding-activations", "non-finite-activations", "signal-drift"}),
)
GRADIENT = Column(
    "gradient",
    "grad norm",
    _finite(GRADIENT_NORM),
    "L2 norm of the gradient at the output",
    rules=frozenset({"vanishing-gradients", "exploding-gradients", "non-finite-gradients", "no-gradient"}),
)
RANK = Column(
    "effective",
    "rank",
    lambda layer, m: None if m.effective is None else f"{m.effective:.2g}/{m.width}",
    "directions in which the outputs differ / those that the batch can show",
    rules=frozenset({"rank-collapse", "correlated-outputs"}),
    is_optional=True,
)
DEAD = Column(
    "dead_share",
    "dead",
    lambda layer, m: m.dead_share,
    "units that are zero for the whole batch",
    "{:.0%}".format,
    rules=frozenset({"dead-units", "dying-units"}),
    is_optional=True,
)
SATURATED = Column(
    "saturated_share",
    "saturated",
    lambda layer, m: m.saturated_share,
    "elements on the flat part of the activation",
    "{:.0%}".format,
    rules=frozenset({"saturated-units"}),
    is_optional=True,
)
# Columns of the layer table after the name, from left to right.
TABLE = (SHAPE, SCHEME, FEEDS, STD, GAIN, OUTPUT, GRADIENT, RANK, DEAD, SATURATED)
# Columns that a narrow table omits, in this order; columns with findings are omitted last.
LEFT_OUT = (SHAPE, FEEDS, GRADIENT, OUTPUT, SCHEME, GAIN)
