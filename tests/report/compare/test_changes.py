"""Differences between two reports: more than between two seeds."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import inithealth
from inithealth import Report, Severity
from inithealth.report.compare.changes import changes
from inithealth.report.compare.changes_text import changes_json, changes_table
from tests.report.hostile import finding

INPUTS = torch.randn(48, 16, generator=torch.Generator().manual_seed(1))


def report(seed: int = 0, *, width: int = 64, change: Any = lambda net: None) -> Report:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
    )
    for layer in net[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    change(net)

    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output, torch.arange(48) % 4)

    return inithealth.check(net, INPUTS, loss=loss)


def shown(old: Report, new: Report) -> set[tuple[str, str]]:
    return {(change.what, change.layer) for change in changes(old, new)}


@pytest.mark.parametrize("seed", range(1, 9))
def test_another_seed_is_no_change(seed: int) -> None:
    assert shown(report(), report(seed)) == set()


def test_a_weight_of_another_scale_is_reported_with_its_consequences() -> None:
    def large(net: nn.Sequential) -> None:
        net[2].weight.data.mul_(100.0)

    found = changes(report(), report(change=large))
    assert {change.what for change in found if change.layer == "2"} >= {"std", "gain", "output"}
    [verdict] = [change for change in found if change.worse]
    assert verdict.what == "verdict"
    assert verdict.old == "not found"
    back = changes(report(change=large), report())
    assert not any(change.worse for change in back)
    assert any(change.what == "verdict" for change in back)


def test_a_scheme_of_another_name_is_reported() -> None:
    def xavier(net: nn.Sequential) -> None:
        nn.init.xavier_uniform_(net[4].weight)

    assert ("scheme", "4") in shown(report(), report(change=xavier))


def test_added_and_removed_layers() -> None:
    def shorter(net: nn.Sequential) -> None:
        del net[4:6]

    assert ("layer", "6") in shown(report(), report(change=shorter))
    assert ("layer", "6") in shown(report(change=shorter), report())


def test_non_finite_numbers_are_a_change() -> None:
    def broken(net: nn.Sequential) -> None:
        net[2].weight.data[0, 0] = float("inf")

    found = {(change.what, change.layer): change for change in changes(report(), report(change=broken))}
    assert found["output", "2"].new == "not finite"
    assert shown(report(change=broken), report(change=broken)) == set()


def found(*findings: object) -> Report:
    return Report.model_validate({"model": "Net", "findings": findings})


def verdicts(old: Report, new: Report) -> list[tuple[str, bool]]:
    return [(change.layer, change.worse) for change in changes(old, new) if change.what == "verdict"]


def test_a_cause_that_lost_its_first_layer_is_not_new() -> None:
    def alike(*layers: int) -> Report:
        def constant(net: nn.Sequential) -> None:
            for layer in layers:
                nn.init.constant_(net[layer].weight, 0.1)

        return report(change=constant)

    assert {worse for _, worse in verdicts(alike(0, 2, 4), alike(2, 4))} == {False}
    assert ("IH104 0", True) in verdicts(alike(2, 4), alike(0, 2, 4))


def test_a_cause_on_more_layers_is_worse_and_reported_once() -> None:
    one, three = found(finding(layers=("a",))), found(finding(layers=("a", "b", "c")))
    assert verdicts(one, three) == [("IH103 b", True)]
    assert verdicts(three, one) == [("IH103 b", False)]


def test_the_worst_cause_of_a_layer_counts() -> None:
    mild = finding(severity=Severity.WARNING)
    assert verdicts(found(mild), found(finding(), mild)) == [("IH103 net.0", True)]
    assert verdicts(found(finding(), mild), found(mild)) == [("IH103 net.0", False)]


def test_a_suppressed_cause_is_reported_and_not_worse() -> None:
    meant = found(finding(suppressed="meant"))
    [change] = changes(found(finding()), meant)
    assert (change.new, change.worse) == ("suppressed: meant", False)
    assert changes(found(), meant) == ()
    assert verdicts(meant, found(finding())) == [("IH103 net.0", True)]


def test_layers_are_in_order() -> None:
    def shorter(net: nn.Sequential) -> None:
        del net[2:6]

    gone = [change.layer for change in changes(report(), report(change=shorter)) if change.new == "gone"]
    assert gone == ["4", "6"]


REAL = json.loads(report().to_json())
ODD = st.sampled_from(
    [0, 0.0, -1, -3.5, 1e200, 1e-320, "NaN", "Infinity", "-Infinity", 10**400, None, [], [0, 4], [-3]]
)


@given(st.lists(st.tuples(st.integers(0, 10**6), ODD), min_size=1, max_size=4))
def test_any_numbers_in_a_file_are_handled(edits: list[tuple[int, object]]) -> None:
    odd = copy.deepcopy(REAL)
    for place, value in edits:
        homes = [each for part in (*odd["layers"], *odd["measurements"]) for each in (part, *part.values())]
        fields = [(home, name) for home in homes if isinstance(home, dict) for name in home]
        home, name = fields[place % len(fields)]
        home[name] = value
    try:
        new = Report.from_json(json.dumps(odd))
    except ValueError:
        return
    for old in (new, Report.model_validate(REAL)):
        both = changes(old, new)
        assert changes_table(both).isascii()
        json.loads(changes_json(both))


def test_numbers_that_no_network_has_are_compared() -> None:
    """A saved report may contain anything: squares that overflow, shapes of any size."""
    plain = report()
    weight = plain.layers[0].weight
    assert weight is not None
    for odd in ({"rms": 1e300}, {"rms": float("inf")}, {"shape": (10**400, 3)}, {"shape": ()}):
        layer = plain.layers[0].model_copy(update={"weight": weight.model_copy(update=odd)})
        crafted = plain.model_copy(update={"layers": (layer, *plain.layers[1:])})
        changes(plain, crafted)
        changes(crafted, plain)
