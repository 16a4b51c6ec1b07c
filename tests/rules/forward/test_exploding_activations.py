"""IH202: activations that grow, because of the weights or of residual branches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from inithealth.rules.forward.exploding_activations import ExplodingActivations
from tests.rules.nets import codes, finding, fixed, judged, mlp, vectors, with_options
from tests.rules.recordings import judge, measured, recording, signal, stack


def loud(hidden: int) -> nn.Sequential:
    """Return a network with twice He's variance: each layer amplifies the signal by 1.41."""
    model = mlp(hidden)
    for layer in model[::2]:
        layer.weight.data.mul_(2**0.5)
    return model


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(64, 64), nn.Linear(64, 64)
        nn.init.kaiming_normal_(self.enter.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.leave.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.leave(F.relu(self.enter(x)))


def residual(blocks: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 64), *(Block() for _ in range(blocks)), nn.Linear(64, 10))


def test_a_deep_network_with_twice_the_gain_of_he_explodes() -> None:
    model = loud(40)
    report = judged(model)
    found = finding(report, "IH202")
    assert found.severity == Severity.ERROR
    assert "activations grow to " in found.message
    assert found.message.endswith("(limit 30)")
    assert found.measured is not None
    assert found.measured > 1e4
    assert found.limit == 30.0
    assert "have 1.4x the gain" in found.cause
    assert "over 40 layers this scales the signal by 1e+06x" in found.cause
    assert [cause.code for cause in report.causes] == ["IH202"]
    assert {"IH302", "IH208"} <= {consequence.code for consequence in report.consequences(found)}
    assert fixed(model, "IH202").ok


def test_residual_branches_are_the_cause_if_they_accumulate() -> None:
    model = residual(24)
    found = finding(judged(model), "IH202")
    assert found.severity == Severity.ERROR
    assert found.layers == tuple(f"{number}.leave" for number in range(1, 25))
    assert found.cause.startswith("24 residual branches add to the signal")
    assert found.fix == "for i in range(1, 25): nn.init.normal_(model[i].leave.weight, std=0.0255)"
    assert fixed(model, "IH202").ok


def test_a_healthy_network_has_no_finding() -> None:
    assert judged(mlp(40)).causes == ()
    assert "IH202" not in codes(judged(residual(2)))


def test_large_inputs_are_not_growth() -> None:
    assert "IH202" not in codes(judged(mlp(), vectors() * 100))


def grown(rms: float, inputs: float = 1.0, **more: Any) -> Any:
    layers = stack()
    return recording(layers, measured(layers, outputs={"fc2": rms}), inputs={"batch": signal(inputs)}, **more)


@pytest.mark.parametrize(
    ("rms", "normalized", "severity"),
    [
        (29.0, False, None),
        (31.0, False, Severity.WARNING),
        (301.0, False, Severity.ERROR),
        (99.0, True, None),
        (101.0, True, Severity.WARNING),
        (9999.0, True, Severity.WARNING),
        (10001.0, True, Severity.ERROR),
    ],
)
def test_levels(rms: float, normalized: bool, severity: Severity | None) -> None:
    found = judge(ExplodingActivations, grown(rms, normalized=normalized))
    assert [each.severity for each in found] == ([severity] if severity else [])


def test_the_growth_is_relative_to_large_inputs() -> None:
    (found,) = judge(ExplodingActivations, grown(500.0, inputs=5.0))
    assert "100 times the input's rms (5) at fc2" in found.message
    assert found.limit == 30.0
    (found,) = judge(ExplodingActivations, grown(100.0))
    assert found.message == "activations grow to rms 100 at fc2 (limit 30)"


def test_only_layers_up_to_the_maximum_are_the_cause() -> None:
    wide = {"weight": {"rms": 1.0}}
    layers = stack(fc1=wide, fc3=wide)
    (found,) = judge(ExplodingActivations, recording(layers, measured(layers, outputs={"fc2": 100.0})))
    assert found.layers == ("fc1",)


def test_non_finite_outputs_are_left_to_other_rules() -> None:
    layers = stack()
    broken = {"output": signal(float("inf"), non_finite=3).model_dump()}
    assert judge(ExplodingActivations, recording(layers, measured(layers, fc2=broken))) == []


def test_options() -> None:
    model = loud(14)
    assert judged(model, select="IH202").ok
    assert codes(judged(model, select="IH202")) == ["IH202"]
    assert codes(judged(model, select="IH202", **with_options("exploding-activations", high_rms=400.0))) == []
    assert not judged(model, select="IH202", **with_options("exploding-activations", highest_rms=30.0)).ok
    normed = grown(101.0, normalized=True)
    assert judge(ExplodingActivations, normed, high_rms_normalized=200.0) == []
    assert judge(ExplodingActivations, normed, highest_rms_normalized=100.0)[0].severity == Severity.ERROR


def test_a_head_that_alone_amplifies_the_signal_is_the_cause() -> None:
    model = mlp()
    model[8].weight.data.mul_(100.0)
    assert finding(judged(model, select="IH202"), "IH202").layers == ("8",)
