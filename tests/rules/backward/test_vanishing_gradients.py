"""IH301: gradients that shrink in the backward pass, with separate limits for Adam and for normalization."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.rules.backward.vanishing_gradients import VanishingGradients
from tests.rules.nets import codes, finding, fixed, he, judged, mlp, with_options
from tests.rules.recordings import judge, measured, recording, stack


def quiet(hidden: int, gain: float = 0.9) -> nn.Sequential:
    """Return a tanh network with LeCun initialization, in which the gradient shrinks a little at every layer."""
    model = mlp(hidden, nn.Tanh)
    torch.manual_seed(0)
    for layer in model[::2]:
        nn.init.normal_(layer.weight, std=gain / layer.in_features**0.5)
    return model


def test_a_deep_tanh_network_loses_its_gradient() -> None:
    model = quiet(60)
    report = judged(model, select=("IH301",))
    found = finding(report, "IH301")
    assert found.severity in (Severity.WARNING, Severity.ERROR)
    assert len(found.layers) >= 60
    assert found.message.startswith("gradients shrink to ")
    assert " in the backward pass from layer 120 to layer 0 (limit 0.0007x)" in found.message
    assert found.measured is not None
    assert found.measured < 7e-4
    assert found.limit == 7e-4
    assert "the gain that preserves the signal through tanh: over 6" in found.cause
    assert fixed(model, "IH301").ok


def test_deep_healthy_networks_have_no_finding() -> None:
    assert "IH301" not in codes(judged(mlp(40)))
    assert "IH301" not in codes(judged(quiet(5)))


def test_gradients_that_grow_in_the_backward_pass_do_not_vanish() -> None:
    model = mlp(20)
    for layer in model[::2]:
        layer.weight.data.mul_(2.0)
    found = codes(judged(model))
    assert "IH302" in found
    assert "IH301" not in found


def test_many_sigmoids_get_advice_that_helps() -> None:
    model = mlp(8, nn.Sigmoid)
    for layer in model[::2]:
        nn.init.xavier_uniform_(layer.weight)
    found = finding(judged(model), "IH301")
    assert "8 in a row" in found.cause
    for place in range(1, 16, 2):
        model[place] = nn.ReLU()
    assert judged(he(model)).ok


def test_adam_has_lower_limits() -> None:
    model = quiet(60)
    with_adam = judged(model, select="IH301", optimizer=torch.optim.Adam(model.parameters()))
    with_sgd = judged(model, select="IH301", optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    assert codes(with_sgd) == ["IH301"]
    assert not with_adam.findings or with_adam.findings[0].limit == 1e-5


def faded(ratio: float, **more: Any) -> Any:
    layers = stack()
    return recording(layers, measured(layers, gradients={"fc0": ratio, "fc1": ratio**0.5}), **more)


@pytest.mark.parametrize(
    ("ratio", "place", "severity"),
    [
        (8e-4, {}, None),
        (6e-4, {}, Severity.WARNING),
        (0.9e-4, {}, Severity.ERROR),
        (2e-5, {"adaptive": True}, None),
        (0.9e-5, {"adaptive": True}, Severity.WARNING),
        (0.9e-7, {"adaptive": True}, Severity.ERROR),
        (2e-6, {"normalized": True}, None),
        (0.9e-6, {"normalized": True}, Severity.WARNING),
        (0.9e-9, {"normalized": True, "adaptive": True}, Severity.ERROR),
    ],
)
def test_levels(ratio: float, place: dict[str, bool], severity: Severity | None) -> None:
    found = judge(VanishingGradients, faded(ratio, **place))
    assert [each.severity for each in found] == ([severity] if severity else [])


def test_the_message_names_both_ends() -> None:
    (found,) = judge(VanishingGradients, faded(1e-5))
    assert "from head to fc0" in found.message
    assert found.measured == pytest.approx(1e-5)


def test_a_layer_that_a_skip_bypasses_may_have_a_small_gradient() -> None:
    layers = stack(fc1={"bypassable": True})
    assert judge(VanishingGradients, recording(layers, measured(layers, gradients={"fc1": 1e-8}))) == []


def test_exact_zeros_are_left_to_other_rules() -> None:
    layers = stack()
    assert judge(VanishingGradients, recording(layers, measured(layers, gradients={"fc0": 0.0}))) == []


def test_a_skipped_rule_has_a_reason() -> None:
    assert VanishingGradients().skipped(faded(1e-9, layer_scale=True, normalized=True)) is not None
    assert VanishingGradients().skipped(recording(steps=())) == "fewer than two layers have a non-zero gradient"
    assert VanishingGradients().skipped(faded(1e-9)) is None


def test_options() -> None:
    model = quiet(60)
    options = {"low_ratio": 1e-12, "lowest_ratio": 1e-13}
    assert codes(judged(model, select="IH301", **with_options("vanishing-gradients", **options))) == []
    assert judge(VanishingGradients, faded(6e-4), lowest_ratio=6.5e-4)[0].severity == Severity.ERROR
    assert judge(VanishingGradients, faded(5e-6, adaptive=True), low_ratio_adaptive=1e-6) == []
    strict = judge(VanishingGradients, faded(5e-6, adaptive=True), lowest_ratio_adaptive=6e-6)
    assert strict[0].severity == Severity.ERROR
    assert judge(VanishingGradients, faded(5e-7, normalized=True), low_ratio_normalized=1e-8) == []
    strict = judge(VanishingGradients, faded(5e-7, normalized=True), lowest_ratio_normalized=6e-7)
    assert strict[0].severity == Severity.ERROR
