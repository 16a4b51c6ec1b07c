"""Computes the measurements of one step from the data that it collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inithealth.record.live.observer import Observer
from inithealth.record.live.readings import Place
from inithealth.record.live.step_buffer import StepBuffer
from inithealth.record.saved import unit_activity
from inithealth.record.statistics.moments import Moments
from inithealth.recording import Layer, Measurement, Signal, weighted


class Measurements:
    """Combines the measurements of modules, operations and weights by layer.

    Args:
        layers: of the model.
        observer: knows which layer an operation or a module belongs to.
    """

    def __init__(self, layers: Sequence[Layer], observer: Observer) -> None:
        self._layers, self._observer = layers, observer
        self._weights = {layer.name: weight.name for layer, weight in weighted(layers)}

    def of(
        self, buffer: StepBuffer, norms: Mapping[str, float], repeats: Mapping[str, float], loss_scale: float
    ) -> tuple[Measurement, ...]:
        """Return one measurement per layer, in forward order.

        Args:
            norms: of the parameters' gradients, without the loss scale.
            repeats: share of units per layer whose weight gradient repeats another unit's.
            loss_scale: factor by which gradients at layer outputs are too large.
        """
        signals, units = buffer.readings.signals(self._layer_at), unit_activity.summaries(buffer.units)
        once = self._measured_once(buffer)
        order = [*self._observer.layer_at.values(), *(layer for _, layer in signals), *self._weights]
        return tuple(
            Measurement(
                layer=layer,
                input=self._with_between(layer, signals.get(("input", layer))),
                output=signals.get(("output", layer)),
                gradient=_unscaled(signals.get(("gradient", layer)), loss_scale),
                weight_gradient=norms.get(self._weights.get(layer, "")),
                gradient_duplicates=repeats.get(layer, 0.0),
                **units.get(layer, {}),
                **once.get(layer, {}),
            )
            for layer in dict.fromkeys(order)
        )

    def _measured_once(self, buffer: StepBuffer) -> dict[str, dict[str, Any]]:
        """Return the values that are measured at the first step only, by layer."""
        found = {layer: dict(numbers) for layer, numbers in buffer.first_step_stats.items()}
        for module, numbers in buffer.output_rank.items():
            layer = self._layer_at(("module", module))
            if layer is not None:
                found.setdefault(layer, {}).update(numbers)
        return found

    def _with_between(self, layer: str, signal: Signal | None) -> Signal | None:
        between = self._observer.between.get(layer)
        return signal if signal is None or between is None else signal.model_copy(update={"between": between})

    def _layer_at(self, place: Place) -> str | None:
        """Return the layer measured at a place; None for a module with several operations, which is not a layer."""
        where, name = place
        if where == "layer":
            return name
        if name in self._observer.layer_of_module:
            return self._observer.layer_of_module[name]
        mine = [layer.name for layer in self._layers if layer.module == name]
        # Frozen and compiled modules are not in the graph, but their calls are recorded.
        return None if any(layer in self._observer.layer_at.values() for layer in mine) else next(iter(mine), None)


def _unscaled(signal: Signal | None, loss_scale: float) -> Signal | None:
    return signal if signal is None or loss_scale == 1.0 else (Moments.of(signal) * (1.0 / loss_scale)).signal
