"""Uninitialized memory is found with any contents, except contents that look like weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inithealth import Report, Severity

from . import memory
from .bug import Scene, alarms, typed
from .memory import MEMORY, WRITTEN, Words, initialized, leave, mixture, scene, to_empty

CHECKS = pytest.mark.parametrize("watched", [False, True], ids=["check", "watch"])


def judged(one: Scene, watched: bool) -> Report:
    return one.watched() if watched else one.checked()


@CHECKS
@pytest.mark.parametrize("words", MEMORY, ids=lambda words: words.__name__)
def test_a_network_that_was_never_initialized_is_found(words: Words, watched: bool) -> None:
    model = to_empty()
    for parameter in model.parameters():
        leave(words, parameter)
    report = judged(scene(model), watched)
    assert [cause.code for cause in alarms(report)] == ["IH102"], str(report)
    assert alarms(report)[0].severity == Severity.ERROR
    weights = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert set(alarms(report)[0].layers) >= weights


@CHECKS
def test_resetting_the_parameters_repairs_the_network(watched: bool) -> None:
    assert not alarms(judged(scene(initialized(to_empty())), watched))


@pytest.mark.parametrize("words", MEMORY, ids=lambda words: words.__name__)
def test_running_the_fix_repairs_the_network(words: Words) -> None:
    model = to_empty()
    for parameter in model.parameters():
        leave(words, parameter)
    for _ in range(2):  # NaN hides findings until the second check
        for cause in alarms(scene(model).checked()):
            typed(cause, model)
    assert not alarms(scene(model).checked()), str(scene(model).checked())


@CHECKS
@pytest.mark.parametrize("words", [*WRITTEN, memory.small_values], ids=lambda words: words.__name__)
def test_only_the_parameters_missed_by_a_loop_are_found(words: Words, watched: bool) -> None:
    report = judged(scene(mixture(words)), watched)
    assert [cause.code for cause in alarms(report)] == ["IH102"], str(report)
    assert alarms(report)[0].severity == Severity.ERROR
    assert set(alarms(report)[0].layers) == {"experts"}
    assert all(name in alarms(report)[0].message for name in ("experts.up", "experts.down"))


@CHECKS
def test_experts_on_fresh_pages_are_reported_as_zeros(watched: bool) -> None:
    """Zeros may be intentional, but these never receive gradient."""
    report = judged(scene(mixture(memory.fresh_pages)), watched)
    assert [(cause.code, cause.layers) for cause in alarms(report)] == [("IH103", ("experts",))], str(report)


@CHECKS
def test_initialized_experts_raise_no_alarm(watched: bool) -> None:
    assert not alarms(judged(scene(mixture(None)), watched))


def test_memory_of_freed_weights_cannot_be_recognized() -> None:
    """The memory of a freed network looks like an initialized network, so nothing is reported."""
    before, model = initialized(to_empty()), to_empty()
    for old, parameter in zip(before.parameters(), model.parameters(), strict=True):
        parameter.data.copy_(old.data)
    assert scene(model).checked().findings == scene(before).checked().findings


def test_real_allocations_are_judged_by_their_contents() -> None:
    """Uses real allocations, which mostly, but not always, return freed memory.

    Therefore the expectation depends on the actual bytes; there is none if they look like ordinary weights.
    """
    for words in WRITTEN:
        used = [torch.empty_like(parameter) for parameter in memory.network().parameters()]
        for tensor in used:
            leave(words, tensor)
        del used, tensor
        model = to_empty()
        held = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        size = held[held != 0].abs()
        absurd = bool((~held.isfinite()).any() or (size < 1e-20).any() or (size > 1e10).any())
        report = scene(model).checked()
        assert not report.not_measured
        assert not absurd or {cause.code for cause in alarms(report)} & {"IH101", "IH102"}, str(report)
