"""The layers whose gains are the cause, as text and as a fix."""

from __future__ import annotations

import pytest

from inithealth.evidence import gain_causes
from inithealth.recording import Layer
from tests.rules.recordings import layer, stack

RIGHT = (2 / 96) ** 0.5
LIMITS = gain_causes.GainLimits()


def body(*factors: float, **more: object) -> list[Layer]:
    """Return ReLU layers with these multiples of the right gain."""
    return [layer(f"fc{n}", n, weight={"rms": RIGHT * factor}, **more) for n, factor in enumerate(factors)]


def names(layers: list[Layer]) -> list[str]:
    return [layer.name for layer in layers]


def test_a_relative_gain_of_1_preserves_the_signal() -> None:
    assert gain_causes.relative_gain(body(1.0)[0]) == pytest.approx(1.0, abs=1e-3)
    assert gain_causes.relative_gain(body(0.5)[0]) == pytest.approx(0.5, abs=1e-3)
    assert gain_causes.relative_gain(layer("e", 0, weight={"fan_in": None})) == 1.0
    assert gain_causes.relative_gain(body(0.0)[0]) == 1.0


def test_layers_with_a_small_gain_are_the_cause_of_shrinking() -> None:
    assert names(gain_causes.weakest(body(1.0, 0.7, 1.3, 0.94), LIMITS)) == ["fc1", "fc3"]
    assert names(gain_causes.weakest(body(1.0, 1.3), LIMITS)) == ["fc0", "fc1"]
    assert gain_causes.weakest([], LIMITS) == []


def test_layers_with_a_large_gain_are_the_cause_of_growth() -> None:
    layers = body(1.0, 0.7, 1.3, 1.06)
    assert names(gain_causes.strongest(layers, layers, LIMITS)) == ["fc2", "fc3"]
    assert names(gain_causes.strongest(layers, layers[:2], LIMITS)) == ["fc0", "fc1"]


def test_bypassed_layers_are_not_the_cause_if_there_are_others() -> None:
    layers = [*body(2.0, 2.0), layer("side", 2, weight={"rms": 1.0}, bypassable=True)]
    assert names(gain_causes.strongest(layers, layers, LIMITS)) == ["fc0", "fc1"]
    assert names(gain_causes.strongest(layers, layers[2:], LIMITS)) == ["side"]


def test_either_all_branches_are_the_cause_or_none() -> None:
    layers = [*body(3.0), *(layer(f"end{n}", n + 1, ends_branch=True, bypassable=True) for n in range(3))]
    assert names(gain_causes.strongest(layers, layers[:2], LIMITS)) == ["end0", "end1", "end2"]
    assert names(gain_causes.strongest(layers, layers[:1], LIMITS)) == ["fc0"]


def test_branches_are_explained_and_scaled_by_their_number() -> None:
    ends = [layer(f"h.{n}.out", n, ends_branch=True, activation=None) for n in range(4)]
    assert gain_causes.explain(ends, LIMITS).startswith("4 residual branches add to")
    assert gain_causes.explain(ends[:1], LIMITS).startswith("1 residual branch adds to")
    assert gain_causes.fix(ends) == "for i in range(4): nn.init.normal_(model.h[i].out.weight, std=0.051)"


def test_consecutive_sigmoids_are_distinguished_from_small_weights() -> None:
    sigmoids = body(1.0, 1.0, 1.0, activation="sigmoid")
    assert "a quarter of the gradient, and the network has 3 in a row" in gain_causes.explain(sigmoids, LIMITS)
    assert gain_causes.fix(sigmoids).startswith("use tanh or ReLU")
    assert not gain_causes.fix(sigmoids[:1]).startswith("use")
    assert not gain_causes.fix(body(0.1, 0.1, 0.1, activation="sigmoid", kind="rnn")).startswith("use")
    assert not gain_causes.fix(body(0.1, 0.1, 0.1, activation="sigmoid", feeds="gate")).startswith("use")
    assert not gain_causes.fix([*sigmoids[:2], *body(0.5, 0.5, 0.5)]).startswith("use")


@pytest.mark.parametrize(
    ("layers", "shown"),
    [
        (body(0.5), "the weights of fc0 have 0.5x the gain that preserves the signal through relu"),
        (
            body(0.5, 0.5, 0.5, 0.5),
            "the weights of fc0 ... fc3 (4 layers) have 0.5x the gain that preserves the signal through relu: "
            "over 4 layers this scales the signal by 0.062x",
        ),
        (
            body(2.0, 2.0, activation=None),
            "the weights of fc0, fc1 have 2.8x the gain that preserves the signal: "
            "over 2 layers this scales the signal by 8x",
        ),
        (body(1.0, 1.0), "the scale of the weights is as expected; operations between the layers scale the signal"),
        ([], "the scale of the weights is as expected; operations between the layers scale the signal"),
    ],
)
def test_gains_are_explained(layers: list[Layer], shown: str) -> None:
    assert gain_causes.explain(layers, LIMITS) == shown


def test_a_signal_is_followed_through_a_nonlinear_activation() -> None:
    wanted = 1.5925 / 96**0.5
    weak = [layer(f"fc{n}", n, activation="tanh", weight={"rms": wanted / 2}) for n in range(20)]
    strong = [layer(f"fc{n}", n, activation="tanh", weight={"rms": wanted * 2}) for n in range(20)]
    # tanh is nearly linear for a small signal: 0.8 per layer remains, not 0.5.
    assert 1000 * 0.5**20 < shown(gain_causes.explain(weak, LIMITS)) < (1.5925 / 2) ** 20
    assert shown(gain_causes.explain(strong, LIMITS)) < 4  # tanh bounds the signal, but not the gradient
    assert shown(gain_causes.explain(strong, LIMITS, of="gradient")) > 30
    assert "over 20 layers this scales the gradient" in gain_causes.explain(strong, LIMITS, of="gradient")


def shown(explanation: str) -> float:
    """Return the factor at the end of an explanation."""
    return float(explanation.rpartition(" ")[2].rstrip("x"))


def test_the_fix_is_code_or_advice() -> None:
    assert gain_causes.fix(body(0.5)) == 'nn.init.kaiming_normal_(model.fc0.weight, nonlinearity="relu")'
    assert gain_causes.fix([]) == ""
    assert gain_causes.fix(list(stack(2))).count("\n") == 1


def test_the_first_layer_of_a_sine_network_is_no_cause() -> None:
    layers = [layer(f"fc{n}", n, activation="sin", multiplied=30.0, reads_input=n == 0) for n in range(3)]
    assert gain_causes.relative_gain(layers[0]) == 1.0
    assert names(gain_causes.strongest(layers, layers, LIMITS)) == ["fc1", "fc2"]
