"""Synthetic recordings of a plain network, from levels by layer and step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from inithealth.findings import Finding, Report, Severity
from inithealth.recording import Layer, Measurement, Recording, Signal, Step

NUMEL = 2**14


def signal(rms: float, non_finite: int = 0) -> Signal:
    return Signal(numel=NUMEL, sampled=NUMEL, mean=0.0, rms=rms, abs_max=4 * rms, zero_share=0.0, non_finite=non_finite)


def layer(name: str, index: int, **more: object) -> Layer:
    return Layer.model_validate(
        {"name": name, "module": name, "kind": "linear", "type_name": "Linear", "index": index, "called": True} | more
    )


def plain(
    count: int,
    steps: Sequence[int] = (0, 1, 2),
    shrinking: Mapping[int, float] | None = None,
    naming: str = "layers.{}",
    input_rms: float = 1.0,
) -> Recording:
    """Return a network without norms. The layers in ``shrinking`` scale signal and gradient by the given factor."""
    factors = shrinking or {}
    names = [naming.format(number) for number in range(count)]
    forward = [math.prod(factors.get(at, 1.0) for at in range(number + 1)) for number in range(count)]
    backward = [math.prod(factors.get(at, 1.0) for at in range(number + 1, count)) for number in range(count)]
    measured = tuple(
        Measurement(
            layer=name,
            output=signal(input_rms * forward[at]),
            gradient=signal(2.0**-10 * backward[at]),
            dead_share=0.25,
        )
        for at, name in enumerate(names)
    )
    return Recording(
        model="MLP",
        layers=tuple(layer(name, number) for number, name in enumerate(names)),
        steps=tuple(Step(index=index, loss=1.0, layers=measured) for index in steps),
        inputs={"batch": signal(input_rms)},
    )


def changed(recording: Recording, name: str, step: int | None = None, **what: object) -> Recording:
    """Return the recording with changed measurements for one layer, at one step or at all."""
    steps = tuple(
        each.model_copy(
            update={
                "layers": tuple(
                    m.model_copy(update=what) if m.layer == name and step in (None, each.index) else m
                    for m in each.layers
                )
            }
        )
        for each in recording.steps
    )
    return recording.model_copy(update={"steps": steps})


def relabelled(recording: Recording, name: str, **what: object) -> Recording:
    """Return the recording with changed fields of one layer."""
    layers = tuple(each.model_copy(update=what) if each.name == name else each for each in recording.layers)
    return recording.model_copy(update={"layers": layers})


def weight_scale(*layers: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        code="IH106",
        rule="weight-scale",
        severity=severity,
        layers=layers,
        message="weight gain 0.1 is 10x below its peers'",
        fix="nn.init.kaiming_normal_(weight)",
        source="model.py:42",
    )


def report(*findings: Finding, **more: object) -> Report:
    return Report.model_validate({"model": "MLP", "findings": findings} | more)
