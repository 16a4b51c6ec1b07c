"""An error at the entry of any function of the package changes no training: it is recorded, and the report says so."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType

import pytest
import torch

from inithealth.record.counted import Counted
from tests.hostile.faults import Faults, Outcome, bare, called_back, watched

_SAMPLED = 24  # every so many functions in the default suite
# What cannot be read of a batch is left out: the walkers record nothing. `with_errors` adds the errors to a report: its
# own error is in the next one.
_SILENT = (
    "record/containers.py:_readers",
    "record/containers.py:_items",
    "record/containers.py:_read",
    "sessions/verdicts.py:with_errors",
)
SCENARIOS = {"watch": watched, "callback": called_back}


def entered(scenario: Callable[[Faults], Outcome]) -> list[CodeType]:
    """Return the functions that a scenario enters, without those that are entered once in a process."""
    scenario(Faults())
    faults = Faults()
    scenario(faults)
    return list(faults.entered)


def points(name: str) -> list[CodeType]:
    """Return the functions of a scenario that no earlier scenario enters."""
    earlier = list(SCENARIOS)[: list(SCENARIOS).index(name)]
    known = {code for each in earlier for code in entered(SCENARIOS[each])}
    return [code for code in entered(SCENARIOS[name]) if code not in known]


def said(outcome: Outcome, text: str) -> bool:
    """Return whether the report shows an error, and is not called healthy if it ended a measurement."""
    report = outcome.report
    if report is None or not any(text in line for line in (*report.not_measured, *report.notes)):
        return False
    missed = any(text in line for line in report.not_measured)
    return not missed or (report.incomplete and "inithealth: healthy" not in str(report))


def escapes(scenario: Callable[[Faults], Outcome], codes: list[CodeType]) -> tuple[list[str], list[str]]:
    """Return the functions whose error escaped or changed the training, and those whose error is not reported."""
    expected, escaped, silent = bare().weights, list[str](), list[str]()
    for code in codes:
        name, faults = f"{code.co_filename}:{code.co_name}", Faults(at=code)
        try:
            outcome = scenario(faults)
        except BaseException as error:
            escaped.append(f"{name}: {type(error).__name__}: {error}")
            continue
        finally:
            _leave_contexts()  # an error at the start of their exit keeps them open, and garbage collection off
        assert faults.entered[code] == 1
        if not torch.equal(outcome.weights, expected) or outcome.hooks:
            escaped.append(f"{name}: changed")
        if not name.endswith(_SILENT) and not said(outcome, "Injected"):
            silent.append(name)
    return escaped, silent


def _leave_contexts() -> None:
    for each in Counted._all:
        each._threads.clear()
        each._end_if_unused()


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_error_in_some_functions(name: str) -> None:
    codes = points(name)[:: _SAMPLED if name == "watch" else 5]
    escaped, silent = escapes(SCENARIOS[name], codes)
    print(f"{name}: {len(codes)} injection points, {len(escaped)} escapes")
    assert (escaped, silent) == ([], [])
    assert len(codes) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_error_in_every_function(name: str) -> None:
    codes = points(name)
    escaped, silent = escapes(SCENARIOS[name], codes)
    print(f"{name}: {len(codes)} injection points, {len(escaped)} escapes")
    assert (escaped, silent) == ([], [])


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_interruption_goes_through_and_the_hooks_are_taken_off(name: str) -> None:
    codes = [code for code in points(name) if code.co_name in ("_record", "measured", "diagnose", "_update_report")]
    assert codes
    for code in codes:
        outcome: list[Outcome] = []
        with pytest.raises(KeyboardInterrupt):
            SCENARIOS[name](Faults(at=code, error=KeyboardInterrupt, interrupted=outcome))
        assert [each.hooks for each in outcome] == [0]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, MemoryError, RecursionError, StopIteration])
@pytest.mark.parametrize("name", SCENARIOS)
def test_errors_of_any_kind_are_recorded(name: str, error: type[BaseException]) -> None:
    (code,) = [code for code in entered(SCENARIOS[name]) if code.co_name == "diagnose"]
    outcome = SCENARIOS[name](Faults(at=code, error=lambda: error("odd")))
    assert torch.equal(outcome.weights, bare().weights)
    assert said(outcome, error.__name__)
