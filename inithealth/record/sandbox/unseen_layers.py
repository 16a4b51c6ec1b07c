"""Adds measurements of layers seen neither in the graph nor by hooks, from a trace of a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from inithealth.record.sandbox.dispatch_trace import Use, traced
from inithealth.recording import Layer, Measurement, Step, weighted


def filled(
    layers: tuple[Layer, ...], step: Step, run: Callable[[], Any], parameters: Mapping[str, Tensor]
) -> tuple[tuple[Layer, ...], Step]:
    """Return the layers and the step, with measurements from a trace for layers without any.

    Args:
        run: a forward pass; called only if there is a matrix without measurements.
        parameters: by name.
    """
    seen = {m.layer for m in step.layers if m.output is not None}
    hidden = {
        weight.name: layer.name
        for layer, weight in weighted(layers)
        if len(weight.shape) > 1 and layer.name not in seen
    }
    if not hidden:
        return layers, step
    uses = {hidden[name]: use for name, use in traced(run, parameters).items() if name in hidden}
    measured = tuple(_measured(m, uses.get(m.layer)) for m in step.layers)
    return (
        tuple(_described(layer, uses.get(layer.name)) for layer in layers),
        step.model_copy(update={"layers": measured}),
    )


def _described(layer: Layer, use: Use | None) -> Layer:
    if use is None or layer.weight is None:
        return layer
    weight = layer.weight.model_copy(update={"fan_in": use.fan_in, "fan_out": use.fan_out})
    return layer.model_copy(
        update={"kind": use.kind, "weight": weight, "unit_axis": use.unit_axis, "groups": use.groups, "called": True}
    )


def _measured(measurement: Measurement, use: Use | None) -> Measurement:
    return measurement if use is None else measurement.model_copy(update={"input": use.input, "output": use.output})
