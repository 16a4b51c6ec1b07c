"""IH206: units that compute nearly the same function, because of their weights or their biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.forward.correlated_outputs import CorrelatedOutputs
from tests.rules.folding import explains
from tests.rules.nets import codes, finding, fixed, judged, mlp, with_options
from tests.rules.recordings import judge, measured, recording, stack, weight


def lecun(activation: type[nn.Module] = nn.SELU) -> nn.Sequential:
    model = mlp(4, activation)
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(layer.bias)
    return model


@pytest.mark.parametrize("activation", [nn.SELU, nn.GELU, nn.SiLU, nn.ELU])
def test_a_dominant_bias_is_found_if_units_neither_die_nor_saturate(activation: type[nn.Module]) -> None:
    model = lecun(activation)
    nn.init.constant_(model[4].bias, -20.0)
    report = judged(model)
    found = report.causes[0]
    assert (found.code, found.layers, found.severity) == ("IH206", ("4",), Severity.ERROR)
    assert found.cause.startswith("bias of mean -20 outweighs")
    assert "rms 20" in found.message
    assert [cause.code for cause in report.causes] == ["IH206"]
    fixed(model, "IH206")


def test_the_bias_of_a_rate_is_its_initial_value() -> None:
    """A state space model initializes its time steps like this: softplus(bias) is from .001 to .1."""

    class Rated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.rate, self.head = lecun(nn.SiLU), nn.Linear(10, 10), nn.Linear(10, 10)
            nn.init.uniform_(self.rate.bias, -6.9, -2.2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.body(x)
            return self.head(y + y * nn.functional.softplus(self.rate(y)))

    assert "IH206" not in codes(judged(Rated()))


def test_a_normalization_removes_a_bias() -> None:
    model = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Linear(64, 10))
    nn.init.constant_(model[0].bias, -20.0)
    assert "IH206" not in codes(judged(model))


def test_nearly_parallel_units_are_found() -> None:
    model = lecun()
    weight = model[4].weight
    with torch.no_grad():
        weight.copy_(torch.full_like(weight, 0.1) + 0.01 * torch.randn_like(weight))
    found = finding(judged(model), "IH206")
    assert (found.layers, found.severity) == (("4",), Severity.WARNING)
    assert found.measured is not None
    assert found.measured > 0.9
    assert found.fix.startswith("nn.init.")
    fixed(model, "IH206")


def test_healthy_layers_have_no_finding() -> None:
    assert "IH206" not in codes(judged(lecun()))


def test_options() -> None:
    model = lecun()
    with torch.no_grad():
        model[4].weight.uniform_(0.0, 1.0).mul_(0.1)  # mean cosine .75
    assert "IH206" in codes(judged(model))
    assert "IH206" not in codes(judged(model, **with_options("correlated-outputs", max_cosine=0.8)))
    assert "IH206" not in codes(judged(model, **with_options("correlated-outputs", min_units=1000)))
    model = lecun()
    nn.init.constant_(model[2].bias, 2.5)
    biased = with_options("correlated-outputs", max_bias_rms=2.0, bias_dominance=1.5)
    assert finding(judged(model, **biased), "IH206").layers == ("2",)
    everywhere = lecun()
    for layer in everywhere[::2]:
        nn.init.constant_(layer.bias, 1.0)
    assert "IH206" in codes(judged(everywhere))
    assert "IH206" not in codes(judged(everywhere, **with_options("correlated-outputs", max_bias_of_whole=2.0)))
    assert "IH206" not in codes(judged(everywhere, **with_options("correlated-outputs", min_layers_of_whole=10)))
    assert "IH206" not in codes(judged(everywhere, **with_options("correlated-outputs", min_share_of_whole=1.5)))


def test_a_network_of_one_sided_weights_does_not_train() -> None:
    model = lecun()
    with torch.no_grad():
        for layer in model[::2]:
            layer.weight.abs_()
    found = finding(judged(model), "IH206")
    assert found.severity == Severity.ERROR
    assert len(found.layers) == 4


@pytest.mark.parametrize("made", [nn.functional.softplus, torch.square, torch.exp, lambda raw: torch.exp(raw - 9)])
def test_intentionally_positive_weights_are_healthy(made: Callable[[Tensor], Tensor]) -> None:
    class Monotone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.raw, self.head = nn.Parameter(torch.randn(64, 32) * 0.5), nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.tanh(nn.functional.linear(x, made(self.raw) / 32)))

    assert "IH206" not in codes(judged(Monotone()))


def test_an_intentional_constant_start_is_not_a_dominant_bias() -> None:
    """A gate that starts open or closed: its weights are zero, so only the bias matters."""
    model = lecun()
    nn.init.zeros_(model[4].weight)
    nn.init.constant_(model[4].bias, 10.0)
    assert "IH206" not in codes(judged(model, select="IH206"))


def test_a_biased_phase_of_a_periodic_activation_is_healthy() -> None:
    class Wave(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.enter, self.head = nn.Linear(32, 64), nn.Linear(64, 10)
            nn.init.constant_(self.enter.bias, 20.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.sin(self.enter(x)))

    assert "IH206" not in codes(judged(Wave()))


def test_gates_with_zero_weights_do_not_count_as_constant_biases() -> None:
    model = lecun()
    for layer in model[::2]:
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, 2.0)
    assert "IH206" not in codes(judged(model, select="IH206"))


def one_sided(gradients: dict[str, float] | None = None, highest: float = 1.0) -> Recording:
    """Return four layers and a head with one-sided weights, and the resulting signal."""
    layers = stack(5, **{f"fc{number}": {"weight": {"row_cosine": 0.75}} for number in range(4)})
    return recording(layers, measured(layers, outputs={"fc3": highest}, gradients=gradients))


def test_a_network_of_one_sided_weights_may_preserve_its_signal() -> None:
    """It trains if norms that remove the mean, or skips, preserve the signal."""
    assert judge(CorrelatedOutputs, one_sided())[0].severity == Severity.WARNING
    assert judge(CorrelatedOutputs, one_sided(highest=20.0))[0].severity == Severity.ERROR
    assert judge(CorrelatedOutputs, one_sided({"fc0": 0.2}))[0].severity == Severity.ERROR
    assert judge(CorrelatedOutputs, one_sided(highest=20.0), max_output_of_whole=30.0)[0].severity == Severity.WARNING
    assert judge(CorrelatedOutputs, one_sided({"fc0": 0.2}), min_passing_of_whole=0.1)[0].severity == Severity.WARNING


@pytest.mark.parametrize(
    ("highest", "first", "severity"),
    [
        (15.0, 1.0, Severity.WARNING),
        (15.1, 1.0, Severity.ERROR),
        (1.0, 0.25, Severity.WARNING),
        (1.0, 0.24, Severity.ERROR),
    ],
)
def test_the_signal_is_preserved_at_the_limits(highest: float, first: float, severity: Severity) -> None:
    (found,) = judge(CorrelatedOutputs, one_sided({"fc0": first}, highest))
    assert (found.severity, found.measured, found.limit) == (severity, 0.75, 0.6)


@pytest.mark.parametrize("missing", ["output", "gradient"])
def test_an_unmeasured_signal_counts_as_lost(missing: str) -> None:
    layers = one_sided().layers
    none = {each.name: {missing: None} for each in layers}
    (found,) = judge(CorrelatedOutputs, recording(layers, measured(layers, **none)))
    assert found.severity == Severity.ERROR


def alike(cosines: dict[str, float], count: int = 5, **changes: dict[str, Any]) -> list[Finding]:
    """Return findings for layers with nearly parallel units and a lost signal."""
    for name, cosine in cosines.items():
        changes[name] = {"weight": {"row_cosine": cosine, **changes.get(name, {}).get("weight", {})}}
    layers = stack(count, **changes)
    return judge(CorrelatedOutputs, recording(layers, measured(layers, outputs={"fc0": 20.0})))


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ({"row_cosine": 0.6}, 0),
        ({"row_cosine": 0.61}, 1),
        ({"row_cosine": 0.9, "fan_in": 2}, 0),  # two inputs are nearly parallel by chance
        ({"row_cosine": 0.9, "fan_in": 3}, 1),
        ({"row_cosine": 0.9, "fan_out": 3}, 0),
        ({"row_cosine": 0.9, "fan_out": 4}, 1),
        ({"row_cosine": 0.82, "fan_in": 6, "fan_out": 4}, 0),  # 0.83 is five standard deviations
        ({"row_cosine": 0.85, "fan_in": 6, "fan_out": 4}, 1),
        ({"row_cosine": 0.9, "trainable": False}, 0),
        ({"row_cosine": 0.9, "constant": True}, 0),
        ({"row_cosine": 0.9, "duplicate_rows": 0.1}, 0),
        ({"row_cosine": -0.9}, 0),
    ],
)
def test_which_units_count_as_parallel(weight: dict[str, Any], found: int) -> None:
    assert len(alike({}, fc1={"weight": weight})) == found


@pytest.mark.parametrize("special", [{"kind": "embedding"}, {"head": True}, {"reaches_loss": False}])
def test_which_layers_are_not_judged(special: dict[str, Any]) -> None:
    assert alike({}, fc1={"weight": {"row_cosine": 0.9}, **special}) == []


@pytest.mark.parametrize("unknown", ["fan_in", "fan_out"])
def test_a_weight_without_known_fans_is_not_judged(unknown: str) -> None:
    layers = stack(fc1={"weight": {"row_cosine": 0.9, unknown: None}})
    assert judge(CorrelatedOutputs, recording(layers), min_units=1) == []


@pytest.mark.parametrize(("edge", "found"), [(0.97, 1), (1.8, 0)])
def test_trained_layers_are_not_judged(edge: float, found: int) -> None:
    layers = stack(**{f"fc{place}": {"weight": {"spectral_edge": edge, "row_cosine": 0.45}} for place in range(4)})
    assert len(judge(CorrelatedOutputs, recording(layers), max_cosine=0.4)) == found


TINY = {"weight": {"fan_in": 3, "fan_out": 4}}  # too few elements for a meaningful cosine


@pytest.mark.parametrize(
    ("names", "count", "more", "severity"),
    [
        ("fc0 fc1 fc2 fc3", 6, {}, Severity.ERROR),  # four of five
        ("fc0 fc1 fc2", 5, {}, Severity.WARNING),  # three of four
        ("fc0 fc1 fc2", 4, {}, Severity.ERROR),
        ("fc0 fc1", 3, {}, Severity.WARNING),  # two layers are not enough
        ("fc0 fc1 fc2 fc3", 7, {"fc4": TINY, "fc5": TINY}, Severity.ERROR),
    ],
)
def test_a_network_is_one_sided_if_most_of_its_layers_are(
    names: str, count: int, more: dict[str, Any], severity: Severity
) -> None:
    (found,) = alike(dict.fromkeys(names.split(), 0.75), count, **more)
    assert (found.severity, found.layers) == (severity, tuple(names.split()))


def test_copies_have_another_cause_than_parallel_units() -> None:
    causes = [alike({"fc1": cosine})[0].cause for cosine in (0.7, 0.99, 0.991)]
    assert causes[0] == causes[1] != causes[2]


def biased(rms: float, mean: float | None = None, **place: Any) -> dict[str, Any]:
    bias = weight("fc.bias", rms, mean=rms if mean is None else mean, shape=(96,), fan_in=None, fan_out=None)
    return {"bias": bias.model_dump(), **place}


def ruled(count: int = 5, **changes: dict[str, Any]) -> list[Finding]:
    return judge(CorrelatedOutputs, recording(stack(count, **changes)))


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"fc1": biased(20.0)}, Severity.ERROR),
        ({"fc1": biased(20.0, activation=None)}, Severity.WARNING),
        ({"fc1": biased(20.0, bypassable=True)}, Severity.WARNING),
        ({"fc1": biased(20.0, bypassable=True), "fc2": biased(20.0)}, Severity.ERROR),
    ],
)
def test_a_dominant_bias_is_an_error_if_no_skip_bypasses_its_activation(
    changes: dict[str, dict[str, Any]], severity: Severity
) -> None:
    (found,) = ruled(**changes)
    assert (found.severity, found.measured, found.limit) == (severity, 20.0, 3.0)
    assert found.layers == tuple(changes)


@pytest.mark.parametrize("activation", ["softplus", "sigmoid", "sin"])
def test_some_activations_may_be_dominated_by_their_bias(activation: str) -> None:
    assert ruled(fc1=biased(20.0, activation=activation)) == []
    assert ruled(**{f"fc{place}": biased(1.0, activation=activation) for place in range(4)}) == []


@pytest.mark.parametrize("state", [{"dead_share": 1.0}, {"saturated_share": 1.0}])
def test_dead_and_saturated_units_are_left_to_their_rules(state: dict[str, float]) -> None:
    layers = stack(fc1=biased(20.0))
    assert judge(CorrelatedOutputs, recording(layers, measured(layers, fc1=state))) == []


def shifted(count: int = 5, *, of: int = 4, rms: float = 1.0, mean: float | None = None, **place: Any) -> list[Finding]:
    """Return findings for this many layers with one constant bias, without heads; the others have none."""
    others = {f"fc{at}": biased(0.0) for at in range(of, count - 1)}
    return ruled(count, **{f"fc{at}": biased(rms, mean, **place) for at in range(of)}, **others)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"count": 4, "of": 3}, 1),
        ({"count": 3, "of": 2}, 0),  # two layers are not enough
        ({"count": 6, "of": 4}, 1),  # four of five
        ({"count": 6, "of": 3}, 0),
        ({"rms": 0.5}, 0),
        ({"rms": 0.51}, 1),
        ({"mean": 0.94}, 0),
        ({"mean": 0.96}, 1),
        ({"mean": -0.96}, 1),
        ({"normed": True}, 0),
        ({"weight": {"rms": 0.0, "abs_max": 0.0}}, 0),  # then the bias is an intentional start
    ],
)
def test_one_constant_for_nearly_all_biases_is_found(how: dict[str, Any], found: int) -> None:
    assert len(shifted(**how)) == found


def test_layers_whose_bias_a_norm_removes_do_not_count() -> None:
    normed = {f"fc{place}": biased(0.0, normed=True) for place in range(3, 6)}
    (found,) = ruled(7, **{f"fc{place}": biased(1.0) for place in range(3)}, **normed)
    assert found.layers == ("fc0", "fc1", "fc2")
    assert (found.measured, found.limit) == (1.0, 0.5)


def test_a_constant_bias_is_an_error_if_it_outweighs_the_largest_gain() -> None:
    """Gains of 0.2, and a bias five times as large."""
    small = {"weight": {"rms": 0.199 * 96**-0.5}}
    assert shifted(**small)[0].severity == Severity.ERROR
    assert shifted(weight={"rms": 0.201 * 96**-0.5})[0].severity == Severity.WARNING
    (found,) = ruled(**{f"fc{place}": biased(1.0, **(small if place else {})) for place in range(4)})
    assert found.severity == Severity.WARNING  # one layer has a larger gain


def test_an_unknown_gain_counts_as_one() -> None:
    layers = stack(**{f"fc{place}": biased(2.5, weight={"fan_in": None}) for place in range(4)})
    severities = [
        judge(CorrelatedOutputs, recording(layers), bias_dominance=dominance)[0].severity for dominance in (2.4, 2.6)
    ]
    assert severities == [Severity.ERROR, Severity.WARNING]


def test_biases_and_weights_are_two_findings() -> None:
    found = ruled(fc1=biased(20.0), fc2={"weight": {"row_cosine": 0.9}})
    assert [each.layers for each in found] == [("fc1",), ("fc2",)]


def test_parallel_units_explain_the_lost_signal_and_their_scale() -> None:
    (found,) = alike({"fc1": 0.75})
    for code in ("IH201", "IH202", "IH207", "IH301", "IH302", "IH304", "IH305", "IH404", "IH406"):
        assert explains(CorrelatedOutputs, found, code)
    assert explains(CorrelatedOutputs, found, "IH106", layers=("fc1",))
    assert not explains(CorrelatedOutputs, found, "IH106", layers=("fc1", "fc2"))
    assert not explains(CorrelatedOutputs, found, "IH103")  # which has a lower rank
    (bias,) = ruled(fc1=biased(20.0))
    assert explains(CorrelatedOutputs, bias, "IH103")


def test_the_fix_of_a_whole_network_includes_the_layers_that_are_not_named() -> None:
    model = mlp(6)
    for layer in model[::2]:
        layer.weight.data.abs_()
    (found, *_) = judged(model).causes
    assert (found.code, found.severity) == ("IH206", Severity.ERROR)
    head = f"{len(model) - 1}.weight"
    assert head in {operation.parameter for operation in found.operations}
    assert len(found.operations) == len(model[::2])
