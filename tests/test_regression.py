"""What changed between two reports: more than another seed changes, and never less than it says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import inithealth
from inithealth import Report
from inithealth.regression import Change, changes
from inithealth.report.changes import changes_table

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


def told(old: Report, new: Report) -> set[tuple[str, str]]:
    return {(change.what, change.layer) for change in changes(old, new)}


@pytest.mark.parametrize("seed", range(1, 9))
def test_another_seed_is_no_change(seed: int) -> None:
    assert told(report(), report(seed)) == set()


def test_a_weight_of_another_size_is_told_with_what_follows_from_it() -> None:
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


def test_a_scheme_of_another_name_is_told() -> None:
    def xavier(net: nn.Sequential) -> None:
        nn.init.xavier_uniform_(net[4].weight)

    assert ("scheme", "4") in told(report(), report(change=xavier))


def test_layers_that_come_and_go() -> None:
    def shorter(net: nn.Sequential) -> None:
        del net[4:6]

    assert ("layer", "6") in told(report(), report(change=shorter))
    assert ("layer", "6") in told(report(change=shorter), report())


def test_numbers_that_are_not_finite_are_a_change() -> None:
    def broken(net: nn.Sequential) -> None:
        net[2].weight.data[0, 0] = float("inf")

    found = {(change.what, change.layer): change for change in changes(report(), report(change=broken))}
    assert found["output", "2"].new == "not finite"
    assert told(report(change=broken), report(change=broken)) == set()


def test_layers_that_changed_alike_are_told_together() -> None:
    alike = [Change(what="std", layer=f"l{number}", old="0.02", new="0.2") for number in range(12)]
    worse = Change(what="verdict", layer="IH106 l0", old="not found", new="error: \x1b[31mtoo large", worse=True)
    text = changes_table([*alike, worse])
    assert text.splitlines() == [
        "WORSE verdict IH106 l0: not found -> error: \\x1b[31mtoo large",
        "std l0 ... l11 (12 layers): 0.02 -> 0.2",
        "",
        "1 worse, 12 other changes",
    ]
