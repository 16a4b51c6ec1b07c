"""The depth profile: scalars with the layer's number as their step, so that TensorBoard's charts show depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inithealth.recording import Measurement, Recording
from inithealth.tensorboard.expected import FORWARD, GRADIENT, OCTAVES, Quantity
from inithealth.tensorboard.log2_levels import Level, levels_of, log2, measured_layers

GROUP = "init_health_by_layer/"  # separate from the charts over steps, because x is the layer here
THEORY_OCTAVES = 0.25  # half width of the theory band, which contains 99 % of the layers of 295 healthy networks


def predicted_level(measurement: Measurement) -> Level:
    """Return the log2 output rms predicted from the layer's weights and input."""
    return None if measurement.predicted is None else log2(measurement.predicted)


@dataclass(frozen=True)
class Profile:
    """One curve over the layers with its healthy band and, if there is one, the predicted curve."""

    quantity: Quantity
    prediction: Callable[[Measurement], Level] | None = None

    @property
    def measured(self) -> str:
        return f"{GROUP}{self.quantity.name}"

    @property
    def lower(self) -> str:
        return f"{GROUP}{self.quantity.name}_healthy_from"

    @property
    def upper(self) -> str:
        return f"{GROUP}{self.quantity.name}_healthy_to"

    @property
    def theory(self) -> tuple[str, str, str]:
        """Tags of the values predicted from the actual weights, and of the band around them.

        Inside this band but outside the healthy one, the initialization is the cause; outside both, something else.
        """
        tag = f"{GROUP}{self.quantity.name}_theory"
        return tag, f"{tag}_from", f"{tag}_to"

    def predicts(self, recording: Recording) -> bool:
        """Return whether there are predictions to draw."""
        return bool(self._predicted(recording))

    def points(self, recording: Recording) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield layer number (0 at the input) and value by tag, in log2, at the first recorded step.

        Layers that are exactly zero or not finite are left out: a chart cannot show them.
        """
        if not recording.steps:
            return
        step = recording.steps[0]
        levels, predicted = levels_of(step, self.quantity.level), self._predicted(recording)
        expected = self.quantity.reference(recording, step).levels
        for number, layer in enumerate(measured_layers(recording)):
            level, middle = levels.get(layer.name), expected.get(layer.name)
            if level is not None and middle is not None and math.isfinite(level):
                band = {self.lower: middle - OCTAVES, self.upper: middle + OCTAVES}
                yield number, {self.measured: level, **band, **predicted.get(layer.name, {})}

    def _predicted(self, recording: Recording) -> dict[str, dict[str, float]]:
        """Return the theory band of the first recorded step by layer."""
        if self.prediction is None or not recording.steps:
            return {}
        middle, low, high = self.theory
        return {
            name: {middle: level, low: level - THEORY_OCTAVES, high: level + THEORY_OCTAVES}
            for name, level in levels_of(recording.steps[0], self.prediction).items()
            if level is not None and math.isfinite(level)
        }


PROFILES = (Profile(FORWARD, predicted_level), Profile(GRADIENT))
