"""Watching names what checking names: the first cause after four steps is that of the check."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch.optim import SGD

import inithealth
from inithealth import Report, Severity
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY
from tests.zoo.healthy import HEALTHY
from tests.zoo.more_healthy import MORE_HEALTHY


def first_cause(report: Report) -> tuple[str, tuple[str, ...]] | None:
    """Return the rule and the layers of the first cause above info."""
    found = [(each.code, each.layers) for each in report.causes if each.severity is not Severity.INFO]
    return found[0] if found else None


def watched(case: Case) -> Report:
    call = inithealth.Call.of(case.batch)
    # A small rate: what training itself breaks is not the subject.
    optimizer = SGD(case.model.parameters(), lr=1e-4)
    with inithealth.watch(case.model, optimizer=optimizer, verbose=False) as monitor:
        for _ in range(5):
            optimizer.zero_grad()
            loss = case.loss(case.model(*call.args, **call.kwargs))
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.report


@pytest.mark.parametrize("build", [*HEALTHY, *MORE_HEALTHY, *FAULTY], ids=lambda build: build.__name__)
def test_watching_names_what_checking_names(build: Callable[[], Case]) -> None:
    case = build()
    optimizer = SGD(case.model.parameters(), lr=1e-4)
    checked = inithealth.check(case.model, case.batch, loss=case.loss, optimizer=optimizer)
    assert first_cause(watched(build())) == first_cause(checked)
