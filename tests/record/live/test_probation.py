"""Suspects on probation, compared with brute-force results over a few optimizer steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from inithealth.record.live.probation import STEPS, Trial, suspects
from inithealth.record.statistics.gradients import gradient_norms
from inithealth.record.statistics.weights import unit_rows
from inithealth.recording import Layer
from tests.record.reading import Reading, read, squares

X = torch.randn(16, 6, generator=torch.Generator().manual_seed(3))
IMAGES = torch.randn(8, 4, 6, 6, generator=torch.Generator().manual_seed(4))


def error(output: Tensor) -> Tensor:
    """Return the error for targets that make units diverge."""
    target = torch.randn(output.shape, generator=torch.Generator().manual_seed(5)).to(output.dtype)
    return ((output - target) ** 2).float().mean()


def norms(reading: Reading) -> dict[str, float]:
    return gradient_norms({name: parameter.grad for name, parameter in reading.recorder.naming.parameters.items()})


def tried(
    model: nn.Module, x: Tensor, steps: int = STEPS, loss: Callable[[Tensor], Tensor] = error
) -> tuple[Trial, Reading]:
    """Return a trial over several steps of plain SGD."""
    reading = read(model, x, loss=loss)
    trial = Trial(reading.recorder.naming, reading.recorder.layers, norms(reading))
    optimizer = SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.step()
        optimizer.zero_grad()
        loss(model(x)).backward()
        trial.note(norms(reading))
    return trial, reading


def units(layer: Layer, model: nn.Module) -> list[list[float]]:
    """Return a layer's units with their bias, as lists."""
    parameters = dict(model.named_parameters())
    assert layer.weight is not None
    rows = unit_rows(parameters[layer.weight.name], layer.unit_axis)
    assert rows is not None
    bias = parameters[layer.bias.name].detach() if layer.bias is not None else torch.zeros(len(rows))
    return [[*row, offset] for row, offset in zip(rows.tolist(), bias.tolist(), strict=True)]


def test_a_random_network_has_no_suspects() -> None:
    trial, _ = tried(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), X, steps=1)
    assert not trial.needed
    assert trial.names == []
    assert trial.result().asleep == ()


def test_layers_upstream_of_a_zero_head_start_receiving_gradient() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    nn.init.zeros_(model[2].weight)
    before, _ = tried(model, X, steps=0)
    assert before.names == ["0.weight"]
    assert before.result().zero_units == {"2.weight": 1.0}
    after, _ = tried(model, X)
    assert after.settled
    assert after.result().asleep == ()
    assert after.result().zero_units == {"2.weight": 0.0}
    assert after.result().duplicates == {"2.weight": 0.0}


def test_a_network_of_zeros_never_receives_gradient() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    trial, _ = tried(model, X)
    result = trial.result()
    assert set(result.asleep) == {"0.weight", "2.weight"}
    assert result.zero_units == {"0.weight": 1.0, "2.weight": 1.0}
    assert result.duplicates["0.weight"] == 0  # zeros are reported as zeros
    assert result.steps == STEPS
    assert result.settled


def test_units_that_stay_duplicates_are_the_identical_ones() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        for copy in (1, 5):  # with equal outgoing weights, which keep the copies identical
            model[0].weight[copy], model[0].bias[copy] = model[0].weight[0], model[0].bias[0]
            model[2].weight[:, copy] = model[2].weight[:, 0]
    trial, reading = tried(model, X)
    rows = units(reading.layers["0"], model)
    apart = [max(abs(one - other) for one, other in zip(row, rows[0], strict=True)) for row in rows]
    assert [at for at in range(8) if apart[at] < 1e-5] == [0, 1, 5]
    assert trial.result().duplicates == {"0.weight": 2 / 8}


def test_copies_with_different_outgoing_weights_diverge() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    nn.init.constant_(model[0].weight, 0.1)
    nn.init.zeros_(model[0].bias)
    trial, _ = tried(model, X)
    assert trial.result().duplicates == {"0.weight": 0.0}


def test_units_of_different_groups_are_not_duplicates_and_hide_none() -> None:
    """Two groups of two copies each: the second group's copies move together, but not with the first group's."""
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Tanh(), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.randn(1, 2, 3, 3).expand_as(model[0].weight))
        model[0].bias.zero_()
        for copy in (1, 3):
            model[2].weight[:, copy] = model[2].weight[:, copy - 1]
    trial, _ = tried(model, IMAGES)
    assert trial.result().duplicates == {"0.weight": 2 / 4}


@pytest.mark.parametrize(("apart", "share"), [(0.0, 0.5), (5e-4, 0.5), (5e-3, 0.0)])
def test_copies_that_move_together_are_equal_up_to_a_thousandth_of_their_change(apart: float, share: float) -> None:
    model = nn.Linear(6, 2)
    with torch.no_grad():
        model.weight[1], model.bias[1] = model.weight[0], model.bias[0]
    trial, _ = tried(model, X, steps=0)
    with torch.no_grad():
        model.weight[:, 0] += 1.0
        model.weight[1, 0] += apart
    assert trial.result().duplicates == {"weight": share}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_copies_stay_copies_in_any_precision(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
    nn.init.constant_(model[0].weight, 0.1)
    nn.init.zeros_(model[0].bias)
    nn.init.constant_(model[2].weight, 0.1)
    trial, _ = tried(model.to(dtype), X.to(dtype))
    assert trial.result().duplicates["0.weight"] == 3 / 4


def test_rounding_in_half_precision_does_not_make_copies_diverge() -> None:
    model = nn.Sequential(nn.Linear(6, 2), nn.Tanh(), nn.Linear(2, 3)).bfloat16()
    with torch.no_grad():
        model[0].weight[1] = model[0].weight[0]
        model[0].bias[1] = model[0].bias[0]
    trial, _ = tried(model, X.bfloat16(), steps=0)
    with torch.no_grad():
        model[0].weight.add_(torch.tensor([[2.0**-12], [0.0]]).bfloat16() * model[0].weight.abs())
        model[0].weight[0, 0] *= 1 + 2**-7
    assert trial.result().duplicates == {"0.weight": 0.5}


def test_one_gradient_clears_a_suspect_and_frozen_or_detached_layers_are_exempt() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    reading = read(model, X)
    layers = reading.recorder.layers
    zero = {"0.weight": 0.0, "2.weight": 1.0}
    assert suspects(layers, zero)[0] == ["0.weight"]
    trial = Trial(reading.recorder.naming, layers, zero)
    trial.note({"0.weight": 0.0})
    assert trial.names == ["0.weight"]
    trial.note({"0.weight": 1e-30})
    trial.note({"0.weight": 0.0})
    assert trial.names == []
    assert (trial.steps, trial.settled, trial.just_settled) == (3, False, False)
    trial.note({})
    assert trial.just_settled
    unreached = [layer.model_copy(update={"reaches_loss": False}) for layer in layers]
    assert suspects(unreached, zero)[0] == []
    exempt = [layer.model_copy(update={"exempt_zero_gradient": True}) for layer in layers]
    assert suspects(exempt, zero)[0] == []
    frozen = nn.Sequential(nn.Linear(6, 8).requires_grad_(False), nn.Linear(8, 3))
    assert suspects(read(frozen, X).recorder.layers, zero)[0] == []


def test_complex_weights_are_supported() -> None:
    model = nn.Sequential(nn.Linear(3, 4, dtype=torch.complex64), nn.Linear(4, 2, dtype=torch.complex64))
    with torch.no_grad():
        for layer in (model[0], model[1]):
            layer.weight.fill_(0.1 + 0.2j)
            layer.bias.zero_()
    trial, _ = tried(model, torch.view_as_complex(X.view(16, 3, 2)), loss=squares)
    assert trial.result().duplicates == {"0.weight": 3 / 4, "1.weight": 1 / 2}
