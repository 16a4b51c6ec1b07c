"""Layers that no gradient reaches: detached or unused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import inithealth
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.reachability import split_by_values, unreached
from tests.record import state
from tests.record.reading import read, squares

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))


class Body(nn.Module):
    """A body, a head, and a layer that is never called; ``way`` connects the body's values to the head."""

    def __init__(self, way: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 5))
        self.head = nn.Linear(5, 2)
        self.spare = nn.Linear(6, 6)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.way(self.body(x)))
        return output


def split(model: nn.Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    recorder = read(model, X).recorder

    def forward() -> float:
        return float(squares(model(X)))

    with torch.no_grad():
        return split_by_values(unreached(recorder.layers), recorder.naming, forward(), forward)


CUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "no_grad": torch.no_grad()(lambda x: x + 1),
    "numpy": lambda x: torch.from_numpy(x.detach().numpy()),
    "a new tensor": lambda x: torch.tensor(x.tolist()),
}


@pytest.mark.parametrize("way", CUTS)
def test_values_that_reach_the_loss_without_a_gradient_are_detached(way: str) -> None:
    assert split(Body(CUTS[way])) == (("body.0", "body.2"), ("spare",))


def test_values_that_do_not_reach_the_loss_are_unused() -> None:
    assert split(Body(lambda x: torch.ones(8, 5))) == ((), ("body.0", "body.2", "spare"))


def test_nothing_runs_again_if_every_layer_is_reached() -> None:
    model = nn.Sequential(nn.Linear(6, 2))
    recorder = read(model, X).recorder

    def never() -> float:
        raise AssertionError("run again")

    assert split_by_values(unreached(recorder.layers), recorder.naming, 1.0, never) == ((), ())


def test_zeros_and_scaling_before_a_norm_are_detected_too() -> None:
    zeros = Body(CUTS["detach"])
    for parameter in zeros.body.parameters():
        nn.init.zeros_(parameter)
    assert split(zeros)[0] == ("body.0", "body.2")
    normed = Body(lambda x: nn.functional.layer_norm(x, (5,)).detach())
    assert split(normed)[0] == ("body.0", "body.2")


class Counting(nn.Module):
    """A model whose loss changes in every call, with an unused layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.spare = nn.Linear(6, 2), nn.Linear(6, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen += 1
        output: Tensor = self.layer(x) * self.calls * self.seen
        return output


def test_a_model_with_changing_losses_is_compared_from_the_same_state() -> None:
    assert split(Counting()) == ((), ("spare",))
    report = inithealth.check(Counting(), X)
    assert [(finding.code, finding.severity.value) for finding in report.findings] == [("IH304", "info")]


def test_the_model_is_restored_also_after_an_error() -> None:
    model = Body(CUTS["detach"])
    recorder = read(model, X).recorder
    before = state.of_model(model)

    def failing() -> float:
        raise KeyError("mine")

    with torch.no_grad():
        split_by_values(unreached(recorder.layers), recorder.naming, 0.0, lambda: float(squares(model(X))))
        assert state.of_model(model) == before
        with pytest.raises(KeyError, match="mine"):
            split_by_values(unreached(recorder.layers), recorder.naming, 0.0, failing)
    assert state.of_model(model) == before


def test_a_loss_that_is_always_nan_shows_nothing() -> None:
    model = Body(CUTS["detach"])
    recorder = read(model, X).recorder
    found = split_by_values(unreached(recorder.layers), recorder.naming, float("nan"), lambda: float("nan"))
    assert found == ((), ("body.0", "body.2", "spare"))


def test_many_unreached_modules_are_reported_individually() -> None:
    model = Body(CUTS["detach"])
    model.spares = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(12))
    detached, unused = split(model)
    assert detached == ("body.0", "body.2")
    assert len(unused) == 25


def test_frozen_layers_are_expected_to_be_unreached() -> None:
    model = Body(CUTS["detach"])
    model.body.requires_grad_(False)
    recorder = read(model, X).recorder
    assert [layer.name for layer in unreached(recorder.layers)] == ["spare"]


@pytest.mark.parametrize("way", [*CUTS, "nothing"])
def test_in_a_live_step_a_constant_operand_is_the_evidence(way: str) -> None:
    model = Body(CUTS.get(way, lambda x: x))
    recorder = Recorder(model, exact=False)
    recorder.attach()
    recorder.observe([squares(model(X))], {"batch": X})
    found = recorder.detached_layers({"batch": X})
    recorder.detach()
    assert found == (() if way == "nothing" else ("body.0", "body.2"))
