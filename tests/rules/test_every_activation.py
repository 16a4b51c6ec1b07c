"""All activations of torch, as modules and functions: healthy networks have no findings, dead units are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth import Report, Severity
from inithealth.theory.activation_row import Activation
from inithealth.theory.activation_table import ROWS
from tests.activations import CLASSES, module, twin
from tests.rules.nets import finding, judged, pictures, vectors

OF_PICTURES = ("Softmax2d",)
WAYS = [(name, way) for name in CLASSES for way in ("module", "function") if way == "module" or twin(name)]


class Applied(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def row(name: str) -> Activation:
    return next(row for row in ROWS if name in row.modules)


def activation(name: str, way: str = "module") -> nn.Module:
    function = twin(name) if way == "function" else None
    return module(name) if function is None else Applied(function)


def passed_on(name: str) -> int:
    """Return how many of 16 channels the activation outputs."""
    return int(module(name)(torch.zeros(1, 16, 1, 1)).shape[1])


def mlp(name: str, way: str = "module", norm: bool = False, hidden: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    reads = 32
    for _ in range(hidden):
        layers += [nn.Linear(reads, 64), *([nn.BatchNorm1d(64)] if norm else []), activation(name, way)]
        reads = 4 * passed_on(name)
    return nn.Sequential(*layers, nn.Linear(reads, 10))


def conv(name: str, way: str = "module", norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    reads = 3
    for _ in range(3):
        layers += [
            nn.Conv2d(reads, 16, 3, padding=1), *([nn.BatchNorm2d(16)] if norm else []), activation(name, way)
        ]  # fmt: skip
        reads = passed_on(name)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(reads, 10))


def fitting(model: nn.Sequential, name: str) -> nn.Sequential:
    """Initialize every layer except the head with the gain that preserves a normal signal, using torch's own function.

    A softmax is not expected to preserve it: its outputs sum to 1.
    """
    with torch.no_grad():
        rms = float(module(name)(torch.randn(64, 64, 4, 4)).square().mean().sqrt())
    rms = 1.0 if row(name).name == "softmax" else rms
    layers = [each for each in model if isinstance(each, (nn.Linear, nn.Conv2d))]
    for layer in layers:
        gain = 1.0 if layer is layers[-1] else 1 / rms
        nn.init.normal_(layer.weight, std=gain * layer.weight[0].numel() ** -0.5)
        nn.init.zeros_(layer.bias)
    return model


def severe(report: Report) -> list[str]:
    return [f"{each.code}: {each.message}" for each in report.findings if each.severity >= Severity.WARNING]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_a_healthy_convolutional_network_has_no_finding(name: str, way: str) -> None:
    report = judged(fitting(conv(name, way), name), pictures())
    assert severe(report) == []
    assert report.layers[0].activation == row(name).name
    doubt = row(name).doubt
    assert report.not_measured == ((f"the gain of {row(name).name}: {doubt}",) if doubt else ())


@pytest.mark.parametrize(("name", "way"), [each for each in WAYS if each[0] not in OF_PICTURES])
def test_a_healthy_mlp_has_no_finding(name: str, way: str) -> None:
    hidden = 1 if row(name).name == "softmax" else 2  # two in a row lose the signal with any weights
    assert severe(judged(fitting(mlp(name, way, hidden=hidden), name))) == []


INITIALIZATIONS: dict[str, Callable[[Tensor], Any]] = {
    "default": lambda weight: None,
    "kaiming": nn.init.kaiming_normal_,
    "xavier": lambda weight: nn.init.xavier_uniform_(weight, gain=nn.init.calculate_gain("tanh")),
}


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("initialization", INITIALIZATIONS)
@pytest.mark.parametrize("name", ["Hardtanh", "Hardsigmoid", "ReLU6", "Hardswish"])
def test_hard_activations_with_usual_initializations_have_no_finding(
    name: str, initialization: str, norm: bool
) -> None:
    for model, batch in ((mlp(name, norm=norm), vectors()), (conv(name, norm=norm), pictures())):
        for layer in model:
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                INITIALIZATIONS[initialization](layer.weight)
        found = [each for each in judged(model, batch).findings if each.severity >= Severity.WARNING]
        # With small weights the signal vanishes after hard sigmoids, as after sigmoids, unless it is normalized.
        fades = {"IH201", "IH301"} if name == "Hardsigmoid" and not norm else set()
        assert {each.code for each in found} <= fades


def sides(name: str) -> list[str]:
    """Return the flat sides of the activation's row."""
    known = row(name)
    if known.hole:
        return ["middle"]
    if known.flat is not None:
        return ["low", "high"]
    return [side for side, edge in zip(("low", "high"), known.edges(), strict=True) if edge is not None]


@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize(("name", "side"), [(name, side) for name in CLASSES for side in sides(name)])
def test_units_on_a_flat_side_are_found(name: str, side: str, image: bool) -> None:
    """Makes 62 of 64 units dead by their bias or, if the flat range is in the middle, by small weights."""
    model, batch = mlp(name, hidden=1), vectors()
    if image:
        batch = pictures()
        model = nn.Sequential(nn.Conv2d(3, 64, 3), module(name), nn.Flatten(), nn.Linear(64 * 36, 10))
    layer = model[0]
    assert isinstance(layer, (nn.Linear, nn.Conv2d))
    assert layer.bias is not None
    with torch.no_grad():
        if side == "middle":
            layer.weight[:62] *= 0.05
            layer.bias.zero_()
        else:
            layer.bias[:62] = -40.0 if side == "low" else 40.0
    code = "IH205" if row(name).flat is not None else "IH204"
    found = finding(judged(model, batch), code)
    assert found.layers == ("0",)
    assert ("at the maximum" in found.message) is (code == "IH204" and side == "high")
    if side == "middle":
        assert found.cause == "no sample gives them an input beyond ±0.5"


@pytest.mark.parametrize("name", [name for name in CLASSES if sides(name)])
def test_healthy_versions_have_no_finding(name: str) -> None:
    codes = {each.code for each in judged(fitting(mlp(name, hidden=1), name)).findings}
    assert not codes & {"IH204", "IH205"}
