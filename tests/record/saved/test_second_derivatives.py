"""Second derivatives that are zero because the activations are piecewise linear."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.saved.second_derivatives import without_second_derivative
from tests.record.reading import graph_of


def flat(order: int, *activations: nn.Module, bias: float = 0.0) -> str:
    torch.manual_seed(0)
    hidden = [each for activation in activations for each in (nn.Linear(8, 8), activation)]
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh() if not activations else activations[0], *hidden, nn.Linear(8, 1))
    nn.init.constant_(net[0].bias, bias)
    x = torch.randn(4, 2, requires_grad=True)
    value: Tensor = net(x)
    for _ in range(order):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    return without_second_derivative(graph_of(net, (value - x.detach()).square().mean()))


@pytest.mark.parametrize(
    ("activation", "name"), [(nn.ReLU(), "relu"), (nn.LeakyReLU(), "leaky_relu"), (nn.PReLU(), "prelu")]
)
def test_piecewise_linear_activations(activation: nn.Module, name: str) -> None:
    assert flat(2, activation) == name
    assert flat(1, activation) == ""  # the slope, as in a gradient penalty


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.SiLU(), nn.Softplus(), nn.GELU(), nn.ELU(), nn.Sigmoid()])
def test_curved_activations(activation: nn.Module) -> None:
    assert flat(2, activation) == ""


def test_a_single_curved_activation_is_enough() -> None:
    assert flat(2, nn.ReLU(), nn.Tanh()) == ""


def test_the_slope_of_dead_units_is_zero_for_another_reason() -> None:
    assert flat(1, nn.ReLU(), bias=-100.0) == ""
