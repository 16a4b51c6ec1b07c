"""Gradients at the output of a layer that do not reach its parameters."""

from __future__ import annotations

import pytest

from inithealth.evidence.delivered import GradientLimits, delivering
from inithealth.evidence.facts import with_limits
from inithealth.recording import Recording, Step
from tests.rules.recordings import measured, recording, signal, stack, weight

NORM = signal().norm


def delivered(share: float, *, bias: float | None = None, total: float | None = 1.0) -> Recording:
    """Return a recording in which this share of the gradient at fc1 reaches its weight."""
    more = {} if bias is None else {"bias": weight("fc1.bias", shape=(96,)).model_dump()}
    layers = stack(fc1=more)
    layers_measured = measured(layers, fc1={"weight_gradient": share * NORM * 96**0.5})
    norm = total if bias is None else bias * NORM
    return recording(layers, steps=(Step(index=0, loss=2.3, layers=layers_measured, global_gradient_norm=norm),))


@pytest.mark.parametrize(
    ("of", "left"),
    [
        (delivered(1.1e-4), True),
        (delivered(0.9e-4), False),
        (delivered(0.9e-4, total=None), True),  # not known
        (delivered(0.9e-4, bias=0.9e-4), False),
        (delivered(0.9e-4, bias=1.1e-4), True),  # the bias may receive it
    ],
)
def test_layers_whose_parameters_receive_next_to_nothing_are_left_out(of: Recording, left: bool) -> None:
    pairs = [(layer, of.first[layer.name]) for layer in of.layers]
    assert ("fc1" in [layer.name for layer, _ in delivering(of, pairs)]) is left


def test_the_limit_decides() -> None:
    of = with_limits(delivered(1.1e-4), [GradientLimits(min_delivered=1e-3)])
    pairs = [(layer, of.first[layer.name]) for layer in of.layers]
    assert "fc1" not in [layer.name for layer, _ in delivering(of, pairs)]
