"""Numbers up to the largest one print in every format, and numbers that no measurement gives are rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

import inithealth
from inithealth import Report
from inithealth.recorded_tensor import std_of
from inithealth.report.compare.changes import changes
from inithealth.report.formats import FORMATS, rendered


def network(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)).to(dtype)


def batch(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(32, 8, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.fixture(scope="module")
def document() -> str:
    return inithealth.check(network(), batch()).to_json()


def prints(report: Report) -> None:
    for name in FORMATS:
        assert isinstance(rendered(report, name), str)
    assert report.table(full=True)
    assert report._repr_html_()
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


def changed(document: str, path: str, value: Any) -> str:
    """Return the JSON of a report with another value, given by the path ``layers.0.weight.rms``."""
    whole = json.loads(document)
    home, *parts = whole, *path.split(".")
    for part in parts[:-1]:
        home = home[int(part) if part.isdigit() else part]
    home[parts[-1]] = value
    return json.dumps(whole)


@pytest.mark.parametrize("value", [1e308, -1e308, 1e155, 5e-324, "Infinity", "NaN"])
@pytest.mark.parametrize("path", ["layers.0.weight.mean", "measurements.1.output.mean"])
def test_any_mean_prints(document: str, path: str, value: Any) -> None:
    report = Report.from_json(changed(document, path, value))
    prints(report)
    changes(report, Report.from_json(document))


@pytest.mark.parametrize("value", [0.0, 1.7976931348623157e308, 1e155, 5e-324, "Infinity", "NaN"])
@pytest.mark.parametrize(
    "path", ["layers.0.weight.rms", "layers.0.bias.rms", "measurements.1.output.rms", "measurements.2.gradient.rms"]
)
def test_any_size_prints(document: str, path: str, value: Any) -> None:
    prints(Report.from_json(changed(document, path, value)))


@pytest.mark.parametrize("field", ["numel", "sampled", "non_finite"])
def test_the_largest_count_prints(document: str, field: str) -> None:
    prints(Report.from_json(changed(document, f"measurements.0.output.{field}", 2**63 - 1)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("share", ["largest", "root of the largest", "smallest"])
def test_parameters_of_any_finite_size_are_checked(dtype: torch.dtype, part: str, share: str) -> None:
    limits = torch.finfo(dtype)
    value = {"largest": limits.max, "root of the largest": limits.max**0.5, "smallest": limits.smallest_normal}[share]
    model = network(dtype)
    with torch.no_grad():
        tensor = getattr(model[2], part)
        tensor.copy_((torch.rand(tensor.shape, dtype=torch.float64) * 2 - 1) * value)
    report = inithealth.check(model, batch(dtype))
    prints(report)
    assert share == "smallest" or not report.ok


def test_inputs_up_to_the_largest_number_are_checked() -> None:
    large = torch.rand(32, 8, dtype=torch.float64) * torch.finfo(torch.float64).max
    prints(inithealth.check(network(torch.float64), large))


@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e300, float("inf"), float("nan")])
def test_any_constant_factor_before_an_activation_is_checked(factor: float) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.relu(self.first(x) * factor))

    prints(inithealth.check(Scaled().double(), batch(torch.float64)))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("measurements.0.output.numel", -1, "greater than or equal to 0"),
        ("measurements.0.output.sampled", 2**63, "less than"),
        ("measurements.0.output.non_finite", -3, "greater than or equal to 0"),
        ("measurements.0.output.rms", -0.5, "a size is not negative"),
        ("measurements.0.output.rms", "-Infinity", "a size is not negative"),
        ("measurements.0.output.zero_share", 1.5, "a share is between 0 and 1"),
        ("measurements.0.dead_share", -0.1, "a share is between 0 and 1"),
        ("measurements.0.width", -1, "greater than or equal to 0"),
        ("layers.0.weight.shape", [-16, 8], "greater than or equal to 0"),
        ("layers.0.weight.fan_in", -8, "greater than or equal to 0"),
        ("layers.0.weight.fan_in", 10**400, "less than"),
        ("layers.0.weight.abs_max", -1.0, "a size is not negative"),
        ("layers.0.index", -1, "greater than or equal to 0"),
        ("layers.0.multiplied", 0.0, "greater than or equal to"),
        ("layers.0.multiplied", "NaN", "less than or equal to"),
        ("flow.branches", -1, "greater than or equal to 0"),
        ("step", -1, "greater than or equal to 0"),
        ("step", 1.5, "valid integer"),
    ],
)
def test_impossible_values_are_rejected(document: str, path: str, value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Report.from_json(changed(document, path, value))


def test_numbers_in_names_have_any_length(document: str) -> None:
    whole = json.loads(document)
    for place, layer in enumerate(whole["layers"]):
        layer["name"] = layer["module"] = f"blocks.{str(place) * 5000}.fc"
    prints(Report.model_validate(whole))


@pytest.mark.parametrize(
    ("rms", "mean", "std"),
    [(5.0, 3.0, 4.0), (5.0, -3.0, 4.0), (1.0, 1.0, 0.0), (1.0, 1.0 + 1e-9, 0.0), (0.0, 0.0, 0.0), (1e308, 0.0, 1e308)],
)
def test_the_standard_deviation(rms: float, mean: float, std: float) -> None:
    assert std_of(rms, mean) == pytest.approx(std)


def test_the_standard_deviation_of_small_numbers_is_not_zero() -> None:
    assert std_of(5e-200, 3e-200) == pytest.approx(4e-200)
