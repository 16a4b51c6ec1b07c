"""Networks in which no state lasts, and the time steps that cause it."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.fix_text import operations_of
from inithealth.evidence.forgetting import ForgettingLimits, fix, forgetting, owners
from inithealth.recording import Decay
from tests.rules.recordings import layer, measured, recording


def decay(lasting: float, **more: Any) -> Decay:
    known = {"layer": "dt", "bias": "dt.bias", "rates": ("A_log",), "memory": 1.0}
    return Decay.model_validate({**known, "lasting": lasting, **more})


@pytest.mark.parametrize(
    ("lasting", "attention", "found"),
    [((0.05, 0.0), None, 2), ((0.05, 0.2), None, 0), ((), None, 0), ((0.0,), 0.5, 0)],
)
def test_all_states_have_to_be_short(lasting: tuple[float, ...], attention: float | None, found: int) -> None:
    layers = (layer("dt", 0), layer("v", 1))
    measurements = measured(layers, v={"token_spread": attention})
    decays = tuple(decay(share) for share in lasting)
    assert len(forgetting(recording(layers, measurements, decays=decays), ForgettingLimits())) == found


def test_the_parameter_is_named_if_it_belongs_to_another_module() -> None:
    assert owners((decay(0.0), decay(0.0, layer="a", bias="mixer.dt_bias"))) == ("dt", "mixer.dt_bias")
    assert owners((decay(0.0, layer="", bias=""),)) == ("A_log",)


def test_fixes_start_the_biases() -> None:
    assert fix((decay(0.0),)) == (
        "dt = model.dt.bias.detach().clone().uniform_(-6.9, -2.3).exp(); "
        "model.dt.bias.data.copy_(dt + (-(-dt).expm1()).log())"
    )
    assert len(operations_of(fix((decay(0.0),)))) == 1
    assert fix((decay(0.0, bias=""),)).startswith("give the time steps a bias")
