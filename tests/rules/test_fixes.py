"""The fixes of a report run, and the fixed network is healthy."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from torch import nn

import inithealth
from inithealth import Finding
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY

ADVICE = {"detached_body", "sigmoid_20"}  # the code of the network must change, not its weights
TYPED = [build for build in FAULTY if build.__name__ not in ADVICE]


def alarms(model: nn.Module, case: Case) -> tuple[Finding, ...]:
    return inithealth.check(model, case.batch, loss=case.loss).causes


@pytest.mark.parametrize("build", TYPED, ids=lambda build: build.__name__)
def test_the_fixes_make_the_network_healthy(build: Callable[[], Case]) -> None:
    case = build()
    first = alarms(case.model, case)
    assert first
    for cause in first:
        exec(cause.fix, {"model": case.model, "nn": nn})
    second = alarms(case.model, case)
    assert not {cause.key for cause in first} & {cause.key for cause in second}
    for cause in second:  # findings that the first fault had hidden
        exec(cause.fix, {"model": case.model, "nn": nn})
    assert alarms(case.model, case) == ()


@pytest.mark.parametrize("build", FAULTY, ids=lambda build: build.__name__)
def test_every_finding_is_self_contained(build: Callable[[], Case]) -> None:
    """The message contains layer, measured value and limit; there is a cause and a fix."""
    case = build()
    report = inithealth.check(case.model, case.batch, loss=case.loss)
    names = {layer.name for layer in report.layers}
    for found in report.findings:
        assert found.cause
        assert found.fix
        if found.layers:
            assert any(name in found.message for name in names), found.message
        if found.limit:
            assert re.search(r"\(.*limit .+\)", found.message), found.message
        assert not re.search(r"\b1 (layers|units|values|other layers)\b", found.message), found.message
        assert not re.search(r"\.\d*[1-9]\d{3,}|\binf\b", found.message), found.message
        assert "\n" not in found.message + found.cause
