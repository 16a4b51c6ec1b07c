"""Whether units would open without their bias or with a new weight, against networks changed in this way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Measurement
from inithealth.sessions.oneshot import record


def measured(model: nn.Module, x: Tensor, layer: str = "0") -> Measurement:
    return record(model, x, loss=lambda output: output.square().mean()).first[layer]


def rows(*shape: int) -> Tensor:
    return torch.randn(64, *shape, generator=torch.Generator().manual_seed(0))


def built(*layers: nn.Module, x: Tensor) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3))
    model(x)
    return model


CASES: dict[str, tuple[Callable[[], list[nn.Module]], Tensor]] = {
    "linear": (lambda: [nn.Linear(8, 20), nn.ReLU()], rows(8)),
    "tokens": (lambda: [nn.Linear(8, 20), nn.ReLU()], rows(5, 8)),
    "conv": (lambda: [nn.Conv2d(3, 20, 3), nn.ReLU()], rows(3, 6, 6)),
    "grouped": (lambda: [nn.Conv2d(4, 20, 3, groups=2), nn.ReLU()], rows(4, 6, 6)),
    "transposed": (lambda: [nn.ConvTranspose2d(3, 20, 3, stride=2), nn.ReLU()], rows(3, 4, 4)),
    "relu6": (lambda: [nn.Linear(8, 20), nn.ReLU6()], rows(8)),
    "hardtanh": (lambda: [nn.Linear(8, 20), nn.Hardtanh()], rows(8)),
    "threshold": (lambda: [nn.Linear(8, 20), nn.Threshold(0.5, 0.0)], rows(8)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bias", [-30.0, 30.0])
def test_the_share_without_bias_is_that_of_the_network_without_it(name: str, bias: float) -> None:
    layers, x = CASES[name]
    model = built(*layers(), x=x)
    with torch.no_grad():
        if name != "transposed":
            model[0].weight[:7] = 0.0  # these are closed or on an edge in any case
        model[0].bias.fill_(bias)
    found = measured(model, x)
    if not found.dead_share:  # a ReLU's units are open
        assert found.dead_without_bias is None
        return
    nn.init.zeros_(model[0].bias)
    assert found.dead_without_bias == pytest.approx(measured(model, x).dead_share)
    assert found.shifted_by == "0.bias"
    assert found.dead_redrawn == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d(20), nn.LayerNorm(20), nn.GroupNorm(4, 20), nn.BatchNorm1d(20).eval()], ids=str
)
def test_the_bias_of_a_normalization(norm: nn.Module) -> None:
    x = rows(8)
    model = built(nn.Linear(8, 20), norm, nn.ReLU(), x=x)
    with torch.no_grad():
        norm.bias.fill_(-9.0)
        norm.weight[:7] = 0.0
    found = measured(model, x)
    assert (found.dead_share, found.shifted_by, found.dead_redrawn) == (1.0, "1.bias", None)
    nn.init.zeros_(norm.bias)
    assert found.dead_without_bias == pytest.approx(measured(model, x).dead_share)


class Added(nn.Module):
    """x @ w + b."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(8, 20)), nn.Parameter(torch.full((20,), -30.0))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x @ self.w + self.b)


def test_a_bias_added_in_another_operation() -> None:
    found = measured(Added(), rows(8), "w")
    assert (found.dead_share, found.dead_without_bias, found.shifted_by) == (1.0, 0.0, "b")


class Shifted(Added):
    """A shift that is not the layer's."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.change(x @ self.w + self.b))


@pytest.mark.parametrize("change", [lambda x: x - 3.0 * x.detach(), lambda x: 0.5 * x, lambda x: x + x.sum()])
def test_what_something_else_shifts_is_unknown(change: Callable[[Tensor], Tensor]) -> None:
    model = Shifted(change)
    found = measured(model, rows(8).abs(), "w")
    assert found.dead_without_bias is None


def test_open_units_are_not_recomputed() -> None:
    found = measured(built(nn.Linear(8, 20), nn.ReLU(), x=rows(8)), rows(8))
    assert (found.dead_without_bias, found.dead_redrawn, found.shifted_by) == (None, None, "")


def test_one_unit_that_reads_positive_inputs_opens_with_every_other_weight() -> None:
    x = rows(8).abs() + 3.0
    model = built(nn.Linear(8, 1), nn.ReLU(), x=x)
    model[0].weight.data.abs_().neg_()
    found = measured(model, x)
    assert found.dead_without_bias == 1.0
    assert found.dead_redrawn == pytest.approx(0.5, abs=0.25)


def test_a_zero_input_opens_nothing() -> None:
    x = rows(8)
    model = built(nn.Linear(8, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), x=x)
    for place in (0, 2):
        nn.init.constant_(model[place].bias, -30.0)
    found = measured(model, x, "2")
    assert (found.dead_share, found.dead_without_bias, found.dead_redrawn) == (1.0, 1.0, 1.0)


def test_the_random_state_stays_as_it_is() -> None:
    x = rows(8)
    model = built(nn.Linear(8, 20), nn.ReLU(), x=x)
    nn.init.constant_(model[0].bias, -30.0)
    state: Any = torch.get_rng_state()
    assert measured(model, x) == measured(model, x)
    assert torch.equal(state, torch.get_rng_state())


def test_of_several_calls_the_one_with_most_units_open_counts() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 20)
            nn.init.constant_(self.fc.bias, -30.0)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.fc(torch.zeros_like(x))) + F.relu(self.fc(x)) + F.relu(self.fc(torch.zeros_like(x)))

    found = measured(Twice(), rows(8), "fc")
    assert (found.dead_share, found.dead_without_bias) == (1.0, 0.0)
