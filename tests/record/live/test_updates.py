"""The change of the weights by an optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer

from inithealth.record.live.updates import Updates, left_out
from inithealth.recording import Layer, Update
from tests.rules.recordings import layer


class Nets:
    """Two parameters of four elements, and layers with their names."""

    def __init__(self) -> None:
        self.parameters = {f"{name}.weight": nn.Parameter(torch.full((2, 2), 2.0)) for name in "ab"}
        self.layers: list[Layer] = [layer(name, place) for place, name in enumerate("ab")]

    def sgd(self, name: str, lr: float = 0.1) -> Optimizer:
        return SGD([self.parameters[f"{name}.weight"]], lr=lr)

    def around(self, optimizers: Sequence[Any], steps: Any = None) -> dict[str, Update]:
        updates = Updates(self.parameters, optimizers)
        updates.before(self.layers, steps)
        with torch.no_grad():
            self.parameters["a.weight"][0] += 0.5
        return updates.after()


def test_the_change_is_that_of_the_elements() -> None:
    nets = Nets()
    found = nets.around([SGD(nets.parameters.values(), lr=0.1)])
    assert found["a"].model_dump(exclude_none=True) == pytest.approx(
        {"weight": 2.0, "change": 0.125**0.5, "unmoved": 0.5, "rate": 0.1}
    )
    assert found["b"].model_dump(exclude_none=True) == pytest.approx(
        {"weight": 2.0, "change": 0.0, "unmoved": 1.0, "rate": 0.1}
    )


def test_scalars_are_measured() -> None:
    nets = Nets()
    nets.parameters = {name: nn.Parameter(value[0, 0].detach().clone()) for name, value in nets.parameters.items()}
    updates = Updates(nets.parameters, [])
    updates.before(nets.layers)
    with torch.no_grad():
        nets.parameters["a.weight"] += 0.5
    assert {name: (each.weight, each.change) for name, each in updates.after().items()} == {
        "a": (2.0, 0.5),
        "b": (2.0, 0.0),
    }


def test_the_rate_is_unknown_without_an_optimizer() -> None:
    assert {name: update.rate for name, update in Nets().around([]).items()} == {"a": None, "b": None}


def test_only_the_optimizer_that_steps_counts() -> None:
    nets = Nets()
    one, other = nets.sgd("a"), nets.sgd("b", 0.2)
    assert nets.around([one, other]) == {}
    assert set(nets.around([one, other], one)) == {"a"}
    assert {name: each.rate for name, each in nets.around([one, other], other).items()} == {"b": 0.2}
    assert set(nets.around([one, other], SimpleNamespace(optimizer=other))) == {"b"}  # wrapped as in Lightning


def test_frozen_layers_and_layers_without_a_weight_are_not_expected() -> None:
    nets = Nets()
    frozen = layer("a", 0, weight={"trainable": False})
    nets.layers = [frozen, layer("b", 1).model_copy(update={"weight": None})]
    assert nets.around([]) == {}


def test_a_step_is_measured_once() -> None:
    nets = Nets()
    updates = Updates(nets.parameters, [])
    assert updates.after() == {}
    updates.before(nets.layers)
    assert set(updates.after()) == {"a", "b"}
    assert updates.after() == {}


def test_parameters_in_no_optimizer() -> None:
    nets = Nets()
    names = sorted(nets.parameters)
    assert left_out(names, nets.parameters, [nets.sgd("a")]) == {"b.weight"}
    assert left_out(names, nets.parameters, [nets.sgd("a"), nets.sgd("b")]) == set()
    assert left_out(["a.weight"], nets.parameters, [nets.sgd("a")]) == set()
    assert left_out(names, nets.parameters, []) == set()


def test_a_weight_whose_sample_is_still_is_compared_as_a_whole() -> None:
    weight = nn.Parameter(torch.ones(1000, 100))
    updates = Updates({"a.weight": weight}, [SGD([weight], lr=0.1)])
    found = []
    for row in (None, 3, 3, None, None):
        updates.before([layer("a", 0)])
        if row is not None:
            with torch.no_grad():
                weight[row, 1] += 0.5  # in no sample
        found.append(updates.after()["a"].unmoved)
    assert found[0] == found[3] == found[4] == 1.0
    assert all(0.98 < unmoved < 1.0 for unmoved in found[1:3])
