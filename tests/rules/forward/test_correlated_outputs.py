"""IH206: units that compute nearly the same function, because of their weights or their biases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth import Severity
from inithealth.recording import Recording
from inithealth.rules.forward.correlated_outputs import CorrelatedOutputs
from tests.rules.nets import codes, finding, fixed, judged, mlp, with_options
from tests.rules.recordings import judge, measured, recording, stack


def lecun(activation: type[nn.Module] = nn.SELU) -> nn.Sequential:
    model = mlp(4, activation)
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(layer.bias)
    return model


@pytest.mark.parametrize("activation", [nn.SELU, nn.GELU, nn.SiLU, nn.ELU])
def test_a_ruling_bias_is_named_where_units_neither_die_nor_saturate(activation: type[nn.Module]) -> None:
    model = lecun(activation)
    nn.init.constant_(model[4].bias, -20.0)
    report = judged(model)
    found = report.causes[0]
    assert (found.code, found.layers, found.severity) == ("IH206", ("4",), Severity.ERROR)
    assert found.cause.startswith("bias of mean -20 outweighs")
    assert "rms 20" in found.message
    assert [cause.code for cause in report.causes] == ["IH206"]
    fixed(model, "IH206")


def test_the_bias_of_a_rate_is_where_it_starts() -> None:
    """A state-space model draws its time steps so: softplus(bias) is from .001 to .1."""

    class Rated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.rate, self.head = lecun(nn.SiLU), nn.Linear(10, 10), nn.Linear(10, 10)
            nn.init.uniform_(self.rate.bias, -6.9, -2.2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.body(x)
            return self.head(y + y * nn.functional.softplus(self.rate(y)))

    assert "IH206" not in codes(judged(Rated()))


def test_a_normalization_takes_a_bias_away() -> None:
    model = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Linear(64, 10))
    nn.init.constant_(model[0].bias, -20.0)
    assert "IH206" not in codes(judged(model))


def test_units_that_point_the_same_way_are_named() -> None:
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


def test_healthy_layers_stay_silent() -> None:
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


def test_a_network_drawn_to_one_side_does_not_train() -> None:
    model = lecun()
    with torch.no_grad():
        for layer in model[::2]:
            layer.weight.abs_()
    found = finding(judged(model), "IH206")
    assert found.severity == Severity.ERROR
    assert len(found.layers) == 4


@pytest.mark.parametrize("made", [nn.functional.softplus, torch.square, torch.exp, lambda raw: torch.exp(raw - 9)])
def test_weights_that_are_positive_by_design_are_no_accident(made: Callable[[Tensor], Tensor]) -> None:
    class Monotone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.raw, self.head = nn.Parameter(torch.randn(64, 32) * 0.5), nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.tanh(nn.functional.linear(x, made(self.raw) / 32)))

    assert "IH206" not in codes(judged(Monotone()))


def test_a_constant_start_by_design_is_no_ruling_bias() -> None:
    """A gate that starts open or shut: its weights are zero, so that the bias is all it says."""
    model = lecun()
    nn.init.zeros_(model[4].weight)
    nn.init.constant_(model[4].bias, 10.0)
    assert "IH206" not in codes(judged(model, select="IH206"))


def test_on_a_wave_no_place_is_worse() -> None:
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
    """Four layers and a head, all drawn to one side, and what that has made of the signal."""
    layers = stack(5, **{f"fc{number}": {"weight": {"row_cosine": 0.75}} for number in range(4)})
    return recording(layers, measured(layers, outputs={"fc3": highest}, gradients=gradients))


def test_a_network_drawn_to_one_side_may_keep_its_signal() -> None:
    """As norms that take the mean away, and skips, let it: then it trains."""
    assert judge(CorrelatedOutputs, one_sided())[0].severity == Severity.WARNING
    assert judge(CorrelatedOutputs, one_sided(highest=20.0))[0].severity == Severity.ERROR
    assert judge(CorrelatedOutputs, one_sided({"fc0": 0.2}))[0].severity == Severity.ERROR
    assert judge(CorrelatedOutputs, one_sided(highest=20.0), max_output_of_whole=30.0)[0].severity == Severity.WARNING
    assert judge(CorrelatedOutputs, one_sided({"fc0": 0.2}), min_passing_of_whole=0.1)[0].severity == Severity.WARNING
