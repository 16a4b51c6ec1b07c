"""Mean field theory, compared with the published table, closed forms, simulated networks and brute force."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from inithealth.theory import mean_field
from inithealth.theory.activations import function_of, names
from tests.theory.test_activations import TORCH

# name: E[phi^2], E[phi'^2], forward gain, backward gain at variance 1
TABLE = {
    "relu": (0.500, 0.500, 1.414, 1.414),
    "tanh": (0.394, 0.464, 1.593, 1.467),
    "gelu": (0.425, 0.456, 1.534, 1.481),
    "silu": (0.356, 0.380, 1.677, 1.623),
    "elu": (0.645, 0.668, 1.245, 1.223),
    "selu": (1.000, 1.072, 1.000, 0.966),
    "mish": (0.452, 0.479, 1.487, 1.445),
    "sigmoid": (0.293, 0.045, 1.846, 4.72),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_published_table_is_reproduced(name: str) -> None:
    found = (
        mean_field.mean_square(name),
        mean_field.mean_square_slope(name),
        mean_field.forward_gain(name),
        mean_field.backward_gain(name),
    )
    assert found == pytest.approx(TABLE[name], abs=1e-3, rel=1e-3)


@pytest.mark.parametrize("variance", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("name", names())
def test_the_quadrature_agrees_with_torchs_functions_and_slopes(name: str, variance: float) -> None:
    z = torch.linspace(-9.0, 9.0, 400_001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    x = (z * math.sqrt(variance)).requires_grad_()
    y = TORCH[name](x)
    [slope] = torch.autograd.grad(y.sum(), x)
    assert mean_field.mean_square(name, variance) == pytest.approx(
        float(y.detach().square() @ density), rel=1e-3, abs=1e-7
    )
    assert mean_field.mean_square_slope(name, variance) == pytest.approx(
        float(slope.square() @ density), rel=2e-3, abs=1e-7
    )


def test_a_custom_function_is_equivalent_to_a_name() -> None:
    assert mean_field.mean_square(lambda x: np.maximum(x, 0.2 * x)) == pytest.approx(0.52, abs=1e-4)
    assert mean_field.backward_gain(lambda x: 3 * x) == pytest.approx(1 / 3)
    assert mean_field.forward_gain(lambda x: x * 0) == math.inf
    assert mean_field.backward_gain(lambda x: x * 0 + 1) == math.inf
    with pytest.raises(KeyError):
        mean_field.mean_square("relo")


@pytest.mark.parametrize("variance", [1e-300, 1e-30, 1e30])
def test_activations_are_linear_or_constant_for_extreme_inputs(variance: float) -> None:
    assert mean_field.mean_square("relu", variance) == pytest.approx(variance / 2, rel=1e-3)
    assert mean_field.mean_square("tanh", variance) == pytest.approx(min(1.0, variance), rel=1e-3)
    assert mean_field.mean_square("sigmoid", variance) == pytest.approx(0.25 if variance < 1 else 0.5, rel=1e-3)


@pytest.mark.parametrize(("name", "gain", "bias"), [("relu", 1.2, 0.1), ("tanh", 2.0, 0.3), ("gelu", 1.5, 0.0)])
def test_variance_and_correlation_agree_with_a_wide_network(name: str, gain: float, bias: float) -> None:
    torch.manual_seed(0)
    width, correlation = 2000, 0.4
    first = torch.randn(width)
    pair = torch.stack([first, correlation * first + math.sqrt(1 - correlation**2) * torch.randn(width)])
    outputs = TORCH[name](pair)
    after = torch.nn.functional.linear(
        outputs, torch.randn(width, width) * gain / width**0.5, torch.randn(width) * bias
    )
    variance = mean_field.next_variance(name, 1.0, gain, bias)
    assert float(after.square().mean()) == pytest.approx(variance, rel=0.08)
    expected = gain**2 * brute_product(name, correlation) + bias**2
    assert float((after[0] * after[1]).mean()) == pytest.approx(expected, rel=0.15)


def brute_product(name: str, correlation: float, variance: float = 1.0) -> float:
    """Return E[phi(u) phi(v)] on a two-dimensional grid."""
    z = np.linspace(-7, 7, 1401)
    density = np.exp(-(z**2) / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    function, scale = function_of(name), math.sqrt(variance)
    other = correlation * z[:, None] + math.sqrt(1 - correlation**2) * z[None, :]
    return float(density @ (function(scale * z)[:, None] * function(scale * other)) @ density)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.3, 0.9])
@pytest.mark.parametrize(("name", "gain", "bias"), [("relu", 2**0.5, 0.0), ("tanh", 1.5, 0.2), ("silu", 1.2, 0.1)])
def test_the_correlation_map_agrees_with_a_two_dimensional_grid(
    name: str, gain: float, bias: float, correlation: float
) -> None:
    settled = mean_field.fixed_variance(name, gain, bias)
    expected = (gain**2 * brute_product(name, correlation, settled) + bias**2) / settled
    assert mean_field.next_correlation(name, correlation, gain, bias) == pytest.approx(expected, abs=1e-3)


def test_the_relu_correlation_has_its_closed_form() -> None:
    angle = math.acos(0.5)  # Cho and Saul 2009
    expected = (math.sin(angle) + (math.pi - angle) * 0.5) / math.pi
    assert mean_field.next_correlation("relu", 0.5, 2**0.5) == pytest.approx(expected, abs=1e-4)
    assert mean_field.next_correlation("relu", 1.0, 2**0.5) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("name", "gain", "bias"), [("tanh", 1.5, 0.0), ("tanh", 0.9, 0.3), ("sigmoid", 2.0, 0.1)])
def test_layers_converge_to_the_fixed_variance(name: str, gain: float, bias: float) -> None:
    variance = 1.0
    for _ in range(300):
        variance = mean_field.next_variance(name, variance, gain, bias)
    assert mean_field.fixed_variance(name, gain, bias) == pytest.approx(variance, rel=1e-4)


def test_a_variance_without_a_fixed_point_vanishes_or_explodes() -> None:
    assert mean_field.fixed_variance("tanh", 0.9) == 0.0
    assert mean_field.fixed_variance("relu", 1.3) == 0.0
    assert mean_field.fixed_variance("relu", 1.5) == math.inf
    assert mean_field.fixed_variance("relu", 2**0.5) == 1.0
    assert mean_field.fixed_variance("relu", 2**0.5, start=7.0) == 7.0
    assert mean_field.fixed_variance("relu", 1.0, bias_std=1.0) == pytest.approx(2.0)


def test_chi_distinguishes_order_and_chaos() -> None:
    assert mean_field.chi("relu", 1.2) == pytest.approx(0.72, rel=1e-3)
    assert mean_field.chi("relu", 2.0) == pytest.approx(2.0, rel=1e-3)
    assert mean_field.chi("tanh", 0.8) == pytest.approx(0.64, rel=1e-3)
    assert mean_field.chi("tanh", 1.5) > 1
    assert mean_field.fixed_correlation("tanh", 0.8, bias_std=0.3) == 1.0
    assert mean_field.fixed_correlation("relu", 2**0.5) == 1.0
    assert mean_field.fixed_correlation("tanh", 1.5) == 0.0
    ordered = mean_field.fixed_correlation("tanh", 1.5, bias_std=0.3)
    assert 0 < ordered < 1
    assert mean_field.next_correlation("tanh", ordered, 1.5, 0.3) == pytest.approx(ordered, abs=1e-6)


def test_a_gradient_changes_by_a_factor_e_over_the_depth_scale() -> None:
    assert mean_field.depth_scale(math.exp(-1 / 7)) == pytest.approx(7.0)
    assert mean_field.depth_scale(math.exp(1 / 7)) == pytest.approx(7.0)
    assert mean_field.depth_scale(1.0) == math.inf
    assert mean_field.depth_scale(0.0) == 0.0


def test_the_critical_gain_has_chi_1() -> None:
    assert mean_field.critical_gain("relu") == pytest.approx(2**0.5, abs=1e-4)
    assert mean_field.critical_gain("tanh") == pytest.approx(1.0, abs=1e-3)
    assert mean_field.critical_gain("sigmoid") is None
    with_bias = mean_field.critical_gain("tanh", bias_std=0.3)
    assert with_bias is not None
    assert mean_field.chi("tanh", with_bias, 0.3) == pytest.approx(1.0, abs=1e-4)
    assert mean_field.critical_std("relu", 128) == pytest.approx(0.125, rel=1e-3)
    assert mean_field.critical_std("sigmoid", 128) is None


def test_the_signal_is_a_product_of_gains_for_a_linear_activation() -> None:
    assert mean_field.signal_after("relu", 2**0.5 / 2, 20) == pytest.approx(2.0**-20, rel=1e-3)
    assert mean_field.signal_after("relu", 2**1.5, 200) == pytest.approx(2.0**200, rel=0.05)
    assert mean_field.signal_after("tanh", 5.0, 50) == pytest.approx(mean_field.fixed_variance("tanh", 5.0) ** 0.5)
    assert mean_field.signal_after("relu", 1.0, 0) == 1.0


def test_importing_it_imports_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, inithealth.theory.mean_field\nprint([name for name in ('numpy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
