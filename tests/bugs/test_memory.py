"""Memory that nothing was written to is found whatever it holds, unless it holds what looks like weights."""

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
def test_resetting_it_repairs_it(watched: bool) -> None:
    assert not alarms(judged(scene(initialized(to_empty())), watched))


@pytest.mark.parametrize("words", MEMORY, ids=lambda words: words.__name__)
def test_typing_the_fix_repairs_it(words: Words) -> None:
    model = to_empty()
    for parameter in model.parameters():
        leave(words, parameter)
    for _ in range(2):  # what NaN had hidden is found in the second check
        for cause in alarms(scene(model).checked()):
            typed(cause, model)
    assert not alarms(scene(model).checked()), str(scene(model).checked())


@CHECKS
@pytest.mark.parametrize("words", [*WRITTEN, memory.small_values], ids=lambda words: words.__name__)
def test_parameters_that_a_loop_passed_by_are_found_and_no_others(words: Words, watched: bool) -> None:
    report = judged(scene(mixture(words)), watched)
    assert [cause.code for cause in alarms(report)] == ["IH102"], str(report)
    assert alarms(report)[0].severity == Severity.ERROR
    assert set(alarms(report)[0].layers) == {"experts"}
    assert all(name in alarms(report)[0].message for name in ("experts.up", "experts.down"))


@CHECKS
def test_experts_that_got_fresh_pages_are_reported_as_zeros(watched: bool) -> None:
    """Zeros may be intentional; that these never receive gradient is certain."""
    report = judged(scene(mixture(memory.fresh_pages)), watched)
    assert [(cause.code, cause.layers) for cause in alarms(report)] == [("IH103", ("experts",))], str(report)


@CHECKS
def test_experts_that_were_written_raise_no_alarm(watched: bool) -> None:
    assert not alarms(judged(scene(mixture(None)), watched))


def test_memory_that_held_ordinary_weights_cannot_be_recognized() -> None:
    """A freed network's memory is as good as a network: nobody can know, and nothing is claimed."""
    before, model = initialized(to_empty()), to_empty()
    for old, parameter in zip(before.parameters(), model.parameters(), strict=True):
        parameter.data.copy_(old.data)
    assert scene(model).checked().findings == scene(before).checked().findings


def test_whatever_the_allocator_gives_is_judged_by_what_it_is() -> None:
    """The real thing, of which little can be promised: freed memory is mostly handed out again, but need not be.

    So the expectation is taken from the bytes that came; where they look like ordinary weights there is none.
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
