"""The verdicts on the zoo: healthy networks pass and faults are found, for every way of writing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
from torch import nn

import inithealth
from inithealth import Report, Severity
from tests.zoo.case import MODULES, Case, original_layers, rewritten
from tests.zoo.faulty import FAULTY
from tests.zoo.healthy import HEALTHY
from tests.zoo.more_healthy import MORE_HEALTHY

Builder = Callable[[], Case]
BUILDERS: dict[str, Builder] = {build.__name__: build for build in (*HEALTHY, *FAULTY, *MORE_HEALTHY)}


class NamedCause(NamedTuple):
    """A cause, with the layer names of the version written with modules."""

    code: str
    severity: Severity
    first: frozenset[str]
    layers: frozenset[str]


@cache
def built(name: str) -> Case:
    return BUILDERS[name]()


@cache
def judged(name: str, way: str) -> tuple[nn.Module, Report]:
    case = built(name)
    model = rewritten(case, way)
    return model, inithealth.check(model, case.batch, loss=case.loss)


def verdict(name: str, way: str) -> frozenset[NamedCause]:
    case = built(name)
    model, report = judged(name, way)

    def originals(layers: tuple[str, ...]) -> frozenset[str]:
        return frozenset().union(*(original_layers(case, model, layer) for layer in layers))

    return frozenset(
        NamedCause(cause.code, cause.severity, originals(cause.layers[:1]), originals(cause.layers))
        for cause in report.causes
    )


def ways(builders: tuple[Builder, ...], *left_out: str) -> list[tuple[str, str]]:
    """Return every case by name, with every way of writing it."""
    names = [build.__name__ for build in builders]
    return [(name, way) for name in names for way in built(name).ways if way not in left_out]


@pytest.mark.parametrize(("name", "way"), ways(HEALTHY))
def test_a_healthy_network_passes(name: str, way: str) -> None:
    assert not {each for each in verdict(name, way) if each.severity == Severity.ERROR}


@pytest.mark.parametrize("name", [build.__name__ for build in MORE_HEALTHY])
def test_an_everyday_network_raises_no_alarm(name: str) -> None:
    assert not {each for each in verdict(name, MODULES) if each.severity > Severity.INFO}


@pytest.mark.parametrize(("name", "way"), ways((*HEALTHY, *MORE_HEALTHY)))
def test_healthy_verdicts_are_based_on_measurements(name: str, way: str) -> None:
    _, report = judged(name, way)
    assert not [note for note in report.not_measured if not note.startswith("the frequencies of")]
    assert report.measurements


@pytest.mark.parametrize(("name", "way"), ways(FAULTY))
def test_a_fault_is_found(name: str, way: str) -> None:
    case, named_causes = built(name), verdict(name, way)
    root_cause_layers = frozenset(case.root_cause_layer or ())
    named = [
        each for each in named_causes if each.code in case.codes and each.first and each.first <= root_cause_layers
    ]
    assert case.severity in {each.severity for each in named}, (
        f"not {case.codes} on {root_cause_layers}: {named_causes}"
    )


@pytest.mark.parametrize(("name", "way"), ways(FAULTY))
def test_only_the_fault_is_a_cause(name: str, way: str) -> None:
    case = built(name)
    alarms = {each for each in verdict(name, way) if each.severity > Severity.INFO}
    assert not {each for each in alarms if not each.first <= frozenset(case.root_cause_layer or ())}
    assert not {each for each in alarms if each.severity > case.severity}


@pytest.mark.parametrize(("name", "way"), ways((*HEALTHY, *FAULTY), MODULES))
def test_the_way_of_writing_does_not_change_the_verdict(name: str, way: str) -> None:
    assert verdict(name, way) == verdict(name, MODULES)
