"""The depth profile: scalars whose step is the layer's number, so that stock charts can show depth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from inithealth.recording import Recording
from inithealth.tensorboard.levels import levels_of, measured_layers
from inithealth.tensorboard.wanted import FORWARD, GRADIENT, OCTAVES, Quantity

GROUP = "init_health_by_layer/"  # not among the charts over steps: here x is the layer


@dataclass(frozen=True)
class Profile:
    """One curve over the layers with its healthy band."""

    quantity: Quantity

    @property
    def measured(self) -> str:
        return f"{GROUP}{self.quantity.name}"

    @property
    def lower(self) -> str:
        return f"{GROUP}{self.quantity.name}_healthy_from"

    @property
    def upper(self) -> str:
        return f"{GROUP}{self.quantity.name}_healthy_to"

    def points(self, recording: Recording) -> Iterator[tuple[int, dict[str, float]]]:
        """Layer number (0 at the input) and value by tag, in log2, at the first recorded step.

        A chart cannot show a layer that is exactly zero or not finite: it is left out, a gap in the curve.
        """
        if not recording.steps:
            return
        step = recording.steps[0]
        levels = levels_of(step, self.quantity.level)
        wanted = self.quantity.reference(recording, step).levels
        for number, layer in enumerate(measured_layers(recording)):
            level, middle = levels.get(layer.name), wanted.get(layer.name)
            if level is not None and middle is not None and math.isfinite(level):
                band = {self.lower: middle - OCTAVES, self.upper: middle + OCTAVES}
                yield number, {self.measured: level, **band}


PROFILES = (Profile(FORWARD), Profile(GRADIENT))
