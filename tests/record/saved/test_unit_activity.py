"""Dead and saturated units, compared with direct counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from inithealth.recording import Measurement
from tests.record.reading import read


class Activated(nn.Module):
    """A layer and an activation."""

    def __init__(self, layer: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.activation = layer, activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.layer(x))


def measured(layer: nn.Module, activation: Callable[[Tensor], Tensor], x: Tensor, exact: bool = True) -> Measurement:
    return read(Activated(layer, activation), x, exact=exact).measured["layer"]


def identity(width: int) -> nn.Linear:
    """Return a layer that returns its input."""
    layer = nn.Linear(width, width, bias=False)
    nn.init.eye_(layer.weight)
    return layer


@st.composite
def batches(draw: st.DrawFn) -> Tensor:
    """Return batches in which some units are inactive for every sample."""
    rows, units = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    values = draw(st.lists(st.sampled_from((-3.0, -0.5, 0.0, 0.5, 3.0)), min_size=rows * units, max_size=rows * units))
    table = torch.tensor(values).view(rows, units)
    for unit in draw(st.lists(st.integers(0, units - 1), max_size=3)):
        table[:, unit] = -table[:, unit].abs()
    return table


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.relu": F.relu,
    "in place": lambda x: F.relu(x, inplace=True),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: x.clamp_min(0),
}


@given(batches(), st.sampled_from(sorted(RELUS)))
def test_a_unit_that_no_sample_activates_is_dead(x: Tensor, name: str) -> None:
    found = measured(identity(x.shape[1]), RELUS[name], x)
    dead = sum(all(value <= 0 for value in column) for column in zip(*x.tolist(), strict=True))
    assert found.dead_share == pytest.approx(dead / x.shape[1])
    assert (found.units, found.dead_samples) == (x.shape[1], x.shape[0])
    assert found.saturated_share is None


@given(batches())
def test_a_tanh_saturates_in_its_flat_range(x: Tensor) -> None:
    found = measured(identity(x.shape[1]), torch.tanh, x)
    values = [abs(value) > 0.97 for value in torch.tanh(x).flatten().tolist()]
    assert found.saturated_share == pytest.approx(sum(values) / len(values))
    assert found.dead_share is None


@given(batches())
def test_a_sigmoid_is_saturated_at_both_ends(x: Tensor) -> None:
    found = measured(identity(x.shape[1]), torch.sigmoid, 2 * x)
    values = [not 0.03 <= value <= 0.97 for value in torch.sigmoid(2 * x).flatten().tolist()]
    assert found.saturated_share == pytest.approx(sum(values) / len(values))


def test_units_of_a_convolution_are_its_channels() -> None:
    layer = nn.Conv2d(3, 4, 3)
    nn.init.constant_(layer.bias, 0.0)
    with torch.no_grad():
        layer.bias[2] = -100.0
    x = torch.randn(5, 3, 8, 8)
    found = measured(layer, F.relu, x)
    assert (found.dead_share, found.units, found.dead_samples) == (1 / 4, 4, 5 * 36)


def test_units_of_a_sequence_are_its_features() -> None:
    layer = nn.Linear(4, 6)
    with torch.no_grad():
        layer.bias[:2] = -100.0
    found = measured(layer, F.relu, torch.randn(5, 7, 4))
    assert (found.dead_share, found.units, found.dead_samples) == (2 / 6, 6, 35)


def test_units_of_a_flattened_convolution_are_features() -> None:
    layer = nn.Conv1d(2, 3, 2)
    found = measured(layer, lambda x: x.flatten(1).relu(), torch.randn(4, 2, 5))
    assert (found.units, found.dead_samples) == (12, 4)


def test_in_a_live_step_only_some_units_are_read() -> None:
    layer = nn.Linear(8, 1024)
    nn.init.constant_(layer.bias, 5.0)
    with torch.no_grad():
        layer.bias[torch.randperm(1024)[:256]] = -100.0
    found = measured(layer, F.relu, torch.randn(512, 8), exact=False)
    assert found.dead_share == pytest.approx(0.25, abs=0.15)
    assert found.units <= 1024


@pytest.mark.parametrize("exact", [True, False])
def test_the_call_with_the_fewest_dead_units_counts(exact: bool) -> None:
    """A unit that is active in one call is not dead."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = identity(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).relu() + self.layer(-x).relu()

    x = torch.tensor([[1.0, 1.0, 1.0, -1.0], [2.0, 2.0, 2.0, -2.0]])
    found = read(Twice(), x, exact=exact).measured["layer"]
    assert found.dead_share == 1 / 4
    assert found.dead_samples == 4


def test_activations_that_cannot_die_or_saturate_are_not_counted() -> None:
    for activation in (F.gelu, F.silu, F.leaky_relu, lambda x: x):
        found = measured(nn.Linear(4, 4), activation, torch.randn(5, 4))
        assert (found.dead_share, found.saturated_share, found.units) == (None, None, 0)


def test_units_after_a_norm_belong_to_the_layer() -> None:
    found = measured(nn.Linear(4, 6), lambda x: F.layer_norm(x, (6,)).relu(), torch.randn(5, 4))
    assert (found.units, found.dead_samples) == (6, 5)


def shares(found: Measurement) -> tuple[float | None, float, float | None]:
    return found.dead_share, found.pinned_share, found.saturated_share


SIDES = torch.tensor([[-9.0, 9.0, -9.0, 0.5], [-8.0, 8.0, 8.0, 0.5]])  # low, high, on either side, between


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (F.relu6, (2 / 4, 1 / 4, 3 / 8)),
        (F.hardtanh, (2 / 4, 1 / 4, 6 / 8)),
        (F.hardsigmoid, (2 / 4, 1 / 4, 6 / 8)),
        (F.hardswish, (1 / 4, 0.0, None)),
        (lambda x: F.hardtanh(x, 0, 1), (2 / 4, 1 / 4, 3 / 8)),
        (lambda x: x.clamp(-10, 10), (0.0, 0.0, 0.0)),
        (lambda x: x.clamp_min(0.6), (2 / 4, 0.0, None)),
        (lambda x: torch.maximum(torch.tensor(0.6), x), (2 / 4, 0.0, None)),
        (lambda x: torch.minimum(x, torch.tensor(0.4)), (2 / 4, 2 / 4, None)),
        (lambda x: F.leaky_relu(x, 0.0), (1 / 4, 0.0, None)),
        (lambda x: F.leaky_relu(x, 0.1), (None, 0.0, None)),
        (lambda x: F.leaky_relu(x, -1.0), (None, 0.0, None)),
        (lambda x: F.softshrink(x, 1.0), (1 / 4, 0.0, None)),
        (F.softsign, (None, 0.0, 6 / 8)),
        (torch.erf, (None, 0.0, 6 / 8)),
    ],
)
def test_units_are_dead_on_one_side_and_saturated_beyond_an_edge(
    activation: Callable[[Tensor], Tensor], expected: tuple[float | None, float, float | None]
) -> None:
    assert shares(measured(identity(4), activation, SIDES)) == expected
