"""One row for every activation of torch: recognized in a network, with its gains and its flat ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.sessions.oneshot import record
from inithealth.theory import mean_field
from inithealth.theory.activation_table import BY_NAME, ROWS, by_node
from inithealth.theory.activations import function_of
from inithealth.theory.gains import has_gain, target_gain
from tests.activations import CLASSES, module

WITH_GAINS = [name for name, row in BY_NAME.items() if row.function is not None]


class Net(nn.Module):
    def __init__(self, activation: Callable[[Tensor], Tensor], image: bool = False) -> None:
        super().__init__()
        self.first: nn.Module = nn.Conv2d(3, 8, 1) if image else nn.Linear(16, 32)
        self.act, self.image = activation, image

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.first(x)).flatten(1)


def activation_of(activation: Callable[[Tensor], Tensor], image: bool = False) -> tuple[str | None, tuple[str, ...]]:
    """Return the recorded name of a layer's activation, and what is reported as not measured."""
    torch.manual_seed(0)
    x = torch.randn(8, 3, 4, 4) if image else torch.randn(64, 16)
    recording = record(Net(activation, image), x)
    return recording.layers[0].activation, recording.not_measured


@pytest.mark.parametrize("name", CLASSES)
def test_every_activation_class_of_torch_is_known(name: str) -> None:
    rows = [row for row in ROWS if name in row.modules]
    assert len(rows) == 1, f"no row for torch.nn.{name}, or several"
    found, _ = activation_of(module(name), image=name == "Softmax2d")
    assert found == (None if name == "LogSoftmax" else rows[0].name)  # which is the last step of a loss


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in row.functions}))
def test_functional_versions_have_the_same_row(name: str) -> None:
    function = getattr(F, name, None) or getattr(torch, name)
    more: dict[str, tuple[Any, ...]] = {
        "threshold": (0.1, 0.0), "clamp": (0.0, 6.0), "clamp_min": (0.0,), "softmax": (1,), "softmin": (1,),
        "clamp_max": (1.0,), "maximum": (torch.zeros(()),), "minimum": (torch.ones(()),),
        "log_softmax": (1,), "glu": (1,), "prelu": (torch.tensor([0.25]),),
    }  # fmt: skip
    found, _ = activation_of(lambda x: function(x, *more.get(name, ())))
    assert found in ({None} if name == "log_softmax" else {row.name for row in ROWS if name in row.functions})


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.Hardtanh(0, 6), "relu6"),
        (nn.Hardtanh(-2, 2), "hardtanh"),
        (lambda x: x.clamp(0, 6), "relu6"),
        (lambda x: x.clamp(min=0), "relu"),
        (lambda x: x.clamp(-1, 1), "hardtanh"),
        (lambda x: x.clamp(max=1), "clamp_max"),
        (lambda x: x.clamp_min(0.5), "clamp_min"),
        (lambda x: torch.clamp(x, 0, 6), "relu6"),
        (lambda x: torch.clamp(x, torch.tensor(0.0), torch.tensor(6.0)), "relu6"),
        (lambda x: torch.maximum(x, torch.tensor(0.0)), "relu"),
        (lambda x: torch.maximum(torch.zeros_like(x), x), "relu"),
        (lambda x: torch.max(x, torch.tensor(0.5)), "clamp_min"),
        (lambda x: torch.minimum(x, torch.ones_like(x)), "clamp_max"),
        (lambda x: torch.maximum(x, torch.arange(32.0)), None),
        (lambda x: x.clamp(-65504, 65504), None),
        (nn.LeakyReLU(0.0), "relu"),
        (nn.LeakyReLU(1.0), None),
        (nn.LeakyReLU(-0.5), "leaky_relu"),
        (nn.ELU(0.0), "relu"),
        (nn.SELU(inplace=False), "selu"),
        (nn.ELU(0.5), "elu"),
        (nn.GELU("tanh"), "gelu"),
        (lambda x: x / (1 + x.abs()), "softsign"),
        (lambda x: x - x.tanh(), "tanhshrink"),
        (lambda x: x - 0.5 * x.tanh(), "tanh"),
    ],
)  # fmt: skip
def test_a_row_is_recognized_by_its_node_and_saved_values(activation: Any, name: str | None) -> None:
    assert activation_of(activation)[0] == name


@pytest.mark.parametrize("name", WITH_GAINS)
def test_outputs_are_bounded_as_the_row_says(name: str) -> None:
    largest = np.abs(function_of(name)(np.array([-1e4, 1e4]))).max()
    assert bool(largest < 10) is BY_NAME[name].bounded


OWN: dict[str, tuple[Callable[[Tensor], Tensor], tuple[float, ...]]] = {
    "elu": (nn.ELU(0.5), (0.5,)),
    "celu": (nn.CELU(2.0), (2.0,)),
    "hardtanh": (nn.Hardtanh(-2.0, 2.0), (-2.0, 2.0)),
    "clamp": (lambda x: x.clamp(-0.5, 0.25), (-0.5, 0.25)),
    "clamp_min": (lambda x: x.clamp_min(0.5), (0.5,)),
    "clamp_max": (lambda x: torch.minimum(x, torch.tensor(1.0)), (1.0,)),
    "softplus": (nn.Softplus(5.0), (5.0,)),
    "leaky": (nn.LeakyReLU(0.3), (0.3,)),
    "negative": (nn.LeakyReLU(-1.0), (-1.0,)),
    "prelu": (nn.PReLU(init=0.6), (0.6,)),
    "rrelu": (nn.RReLU(0.4, 0.41), (0.4, 0.41)),
    "softshrink": (nn.Softshrink(0.2), (0.2,)),
}


@pytest.mark.parametrize("name", OWN)
def test_a_gain_depends_on_the_parameters_in_use(name: str) -> None:
    function, expected = OWN[name]
    layer = record(Net(function), torch.randn(64, 16)).layers[0]
    assert layer.activation_parameters == pytest.approx(expected)
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rms = float(function(z).square().mean().sqrt())
    assert target_gain(layer) * rms == pytest.approx(1.0, abs=0.01)


def test_default_parameters_are_not_recorded() -> None:
    for function in (nn.ELU(), nn.Hardtanh(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.Softplus(), F.relu6):
        assert record(Net(function), torch.randn(64, 16)).layers[0].activation_parameters == ()


def test_slopes_per_channel_count_by_their_root_mean_square() -> None:
    prelu = nn.PReLU(32)
    with torch.no_grad():
        prelu.weight.copy_(torch.tensor([0.3, -0.4]).repeat(16))
    layer = record(Net(prelu), torch.randn(64, 16)).layers[0]
    assert layer.activation_parameters == pytest.approx((0.125**0.5,))


@pytest.mark.parametrize(("name", "known"), [("hardshrink", False), ("exp", False), ("elu", True), ("threshold", True)])
def test_functions_without_a_gain_have_none(name: str, known: bool) -> None:
    function = getattr(F, name, None) or getattr(torch, name)
    more = (0.1, 0.0) if name == "threshold" else ()
    layer = record(Net(lambda x: function(x, *more)), torch.randn(64, 16)).layers[0]
    assert layer.activation == name
    assert has_gain(layer) is known


def test_a_node_that_is_not_an_activation() -> None:
    assert by_node("Addmm", lambda name: None) is None


@pytest.mark.parametrize("name", WITH_GAINS)
def test_gains_are_what_mean_field_computes(name: str) -> None:
    row = BY_NAME[name]
    assert row.forward == pytest.approx(mean_field.forward_gain(name), abs=2e-4)
    assert row.backward == pytest.approx(mean_field.backward_gain(name), rel=1e-3)
    assert row.critical == pytest.approx(mean_field.critical_gain(name), abs=1e-3)


@pytest.mark.parametrize("name", WITH_GAINS)
def test_the_slope_is_zero_in_the_ranges_of_the_row(name: str) -> None:
    row = BY_NAME[name]
    x = np.linspace(-9.9, 9.9, 397) + 1e-4
    function = function_of(name)
    slope = (function(x + 1e-6) - function(x - 1e-6)) / 2e-6
    low, high = (-np.inf if row.low is None else row.low), (np.inf if row.high is None else row.high)
    inside = (x > low) & (x < high)
    flat = np.zeros_like(inside) if not row.dies else inside if row.hole else ~inside
    limits = 0.0 if row.dies else 1e-12
    assert (np.abs(slope[flat]) <= limits).all()
    if row.dies:
        assert (np.abs(slope[~flat]) > 0).mean() > 0.97  # except single points, such as a hardswish's minimum


@pytest.mark.parametrize("name", [name for name, row in BY_NAME.items() if row.gain_name])
def test_torch_has_a_gain_with_that_name(name: str) -> None:
    row = BY_NAME[name]
    gain = nn.init.calculate_gain(row.gain_name)  # type: ignore[arg-type]
    assert gain == pytest.approx(row.advised or row.forward, rel=0.035) or row.scheme == "lecun"
    assert row.scheme


@pytest.mark.parametrize("name", ["tanh", "selu", "sigmoid"])
def test_the_advised_gain_is_torchs(name: str) -> None:
    assert BY_NAME[name].advised == nn.init.calculate_gain(name)  # type: ignore[arg-type]
