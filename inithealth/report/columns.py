"""The quantities of a layer: how each is called, read and written, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from inithealth.recording import Layer, Measurement, Signal
from inithealth.report.plain import plain, shortened

_WIDEST_SHAPE = 12
_WIDEST_SCHEME = 26

Read = Callable[[Layer, Measurement], Any]


@dataclass(frozen=True)
class Column:
    """One quantity of a layer.

    Attributes:
        field: of the JSON's layers or measurements: the one without which there is no value.
        heading: of the column of the table.
        read: the value; None if there is none, or if it was not measured.
        meaning: what the value is, in words.
        write: the text of a value in the table.
        missing: the text in the table where there is no value.
        is_text: whether the table aligns it to the left, as words are.
        explained: whether the table's legend gives its meaning.
        expected: what the value is compared with, which follows it in the table and in the legend.
    """

    field: str
    heading: str
    read: Read
    meaning: str
    write: Callable[[Any], str] = "{:.3g}".format
    missing: str = "-"
    is_text: bool = False
    explained: bool = False
    expected: Column | None = None

    def cell(self, layer: Layer, measurement: Measurement) -> str:
        """The text in the table."""
        value = self.read(layer, measurement)
        return self.missing if value is None else self.write(value)

    @property
    def legend(self) -> str:
        """``gain: output over input rms, and what the weights predict``."""
        return f"{self.heading}: {', and '.join(c.meaning for c in (self, self.expected) if c is not None)}"


@dataclass(frozen=True)
class SignalSize:
    """How the size of one of a layer's signals is read; the signal also has how many elements are not finite."""

    signal: Callable[[Measurement], Signal | None]
    size: Callable[[Signal], float]

    def __call__(self, layer: Layer, measurement: Measurement) -> float | None:
        signal = self.signal(measurement)
        return None if signal is None else self.size(signal)


OUTPUT_RMS = SignalSize(lambda m: m.output, lambda signal: signal.rms)
GRADIENT_NORM = SignalSize(lambda m: m.gradient, lambda signal: signal.norm)


def _std(layer: Layer, m: Measurement) -> float | None:
    if layer.weight is None:
        return None
    return 0.0 if layer.weight.constant else layer.weight.std  # without what rounding makes of a constant


NAME = Column("name", "layer", lambda layer, m: layer.name, "the weight's layer", plain, is_text=True)
SHAPE = Column(
    "weight",
    "shape",
    lambda layer, m: layer.weight and "x".join(map(str, layer.weight.shape)),
    "sizes of the weight",
    partial(shortened, most=_WIDEST_SHAPE),
    missing="",
    is_text=True,
)
SCHEME = Column(
    "scheme",
    "scheme",
    lambda layer, m: layer.scheme and layer.scheme.text,
    "the initialization that the weight's numbers fit",
    partial(shortened, most=_WIDEST_SCHEME),
    is_text=True,
)
FEEDS = Column(
    "activation",
    "feeds",
    lambda layer, m: layer.activation or layer.feeds,
    "what the output meets first",
    str,
    "",
    True,
)
STD = Column(
    "weight",
    "std",
    _std,
    "of the weight",
    explained=True,
    expected=Column("wants", "wants", lambda layer, m: layer.wants, "what its activation wants"),
)
GAIN = Column(
    "input",
    "gain",
    lambda layer, m: m.gain,
    "output over input rms",
    explained=True,
    expected=Column("predicted", "theory", lambda layer, m: m.predicted_gain, "what the weights predict"),
)
OUTPUT = Column("output", "out rms", OUTPUT_RMS, "rms of the output")
GRADIENT = Column("gradient", "grad norm", GRADIENT_NORM, "L2 norm of the gradient at the output")
USED = Column(
    "effective",
    "used",
    lambda layer, m: None if m.effective is None else (m.effective, m.width),
    "directions in which the outputs differ, of those that the batch can show",
    lambda used: f"{used[0]:.2g}/{used[1]}",
    explained=True,
)
DEAD = Column(
    "dead_share", "dead", lambda layer, m: m.dead_share, "units that never open", "{:.0%}".format, explained=True
)
# Those of the layer table, from left to right.
TABLE = (NAME, SHAPE, SCHEME, FEEDS, STD, GAIN, OUTPUT, GRADIENT, USED, DEAD)
