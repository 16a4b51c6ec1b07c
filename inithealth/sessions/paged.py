"""Checks of models that are larger than memory: their parameters are made while they are used."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from typing import Any, NamedTuple

from torch import nn
from torch.optim import Optimizer

from inithealth.findings import Report
from inithealth.judge.diagnose import diagnose
from inithealth.record.paged.address_space import refuse_platform, resident_bytes
from inithealth.record.paged.build import build_deferred, refuse_compiled
from inithealth.record.paged.checkpoint import Checkpoint
from inithealth.record.paged.memory_size import bytes_of, text_of
from inithealth.record.paged.pager import Pager
from inithealth.record.paged.pages import Page
from inithealth.record.paged.stored_weights import read_from
from inithealth.record.sandbox.turns import in_turn
from inithealth.recording import Recording
from inithealth.sessions.objective import LossFunction
from inithealth.sessions.paged_pass import PagedPass
from inithealth.sessions.paged_progress import Progress
from inithealth.sessions.request import requested
from inithealth.settings import Settings

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

_BUILDING = 8  # the values that are read while the model is built may take 1/8 of the memory


class Given(NamedTuple):
    """What a model is judged with."""

    batch: Any
    loss: LossFunction | None = None
    optimizer: Optimizer | Sequence[Optimizer] | None = None


@dataclass(frozen=True)
class Source:
    """Where a model and its values come from.

    Attributes:
        build: returns the model.
        init: initializes the model after it is built.
        weights: folder of safetensors with the values of parameters.
    """

    build: Callable[[], nn.Module]
    init: Callable[[nn.Module], Any] | None = None
    weights: str | PathLike[str] | None = None


def check_paged(
    build: Any,
    batch: Any,
    loss: LossFunction | None,
    optimizer: Any,
    settings: Settings,
    memory: int | str,
    init: Callable[[nn.Module], Any] | None,
    weights: str | PathLike[str] | None,
    verify: bool,
) -> Report:
    """Return the report for the arguments of :func:`inithealth.check`. Raises the same errors."""
    if isinstance(build, nn.Module) or not callable(build):
        what = type(build).__name__
        raise TypeError(
            f"with memory, model must be a function that builds the model, not {what}: pass lambda: Model()"
        )
    if optimizer is not None and (hasattr(optimizer, "param_groups") or not callable(optimizer)):
        raise TypeError("with memory, optimizer must be a function: pass lambda model: AdamW(model.parameters())")
    if verify:
        raise ValueError("verify does not work with memory: each fix would need another check of the large model")

    def given(model: nn.Module) -> Given:
        return Given(batch, loss, None if optimizer is None else optimizer(model))

    return paged_check(Source(build, init, weights), given, settings=settings, memory=bytes_of(memory))


def paged_check(
    source: Source,
    given: Callable[[nn.Module], Given],
    *,
    settings: Settings,
    memory: int,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Return the report of a model that is built and judged in a limited memory.

    Args:
        given: returns the batch, loss and optimizer, given the model without values.
        memory: bytes that the process may use beyond what it uses now.
        progress: called with a line of text.
    """
    return diagnose(paged_recording(source, given, memory, progress), settings)


def paged_recording(
    source: Source, given: Callable[[nn.Module], Given], memory: int, progress: Callable[[str], None] | None = None
) -> Recording:
    """Return the recording that :func:`paged_check` judges. Takes the same arguments."""
    refuse_platform()
    return in_turn(lambda: _recorded(source, given, memory, progress), {id(source.build)})


def _recorded(
    source: Source, given: Callable[[nn.Module], Given], memory: int, progress: Callable[[str], None] | None
) -> Recording:
    baseline = resident_bytes()
    model, pages, notes = deferred(source, memory)
    with Pager(pages, memory, baseline, Progress(len(pages), progress)) as pager:
        request = requested(model, *given(model))
        paged = [each for each in (*model.parameters(), *model.buffers()) if pager.of(each) is not None]
        recording = replace(request, one_pass=partial(PagedPass, pager), known=paged).recording()
    used = f"{pager.most / 1e9:.2g} of {memory / 1e9:g} GB used"
    notes = (*notes, f"memory: {used}; {len(pages)} weights were made {pager.loads} times")
    return recording.model_copy(update={"notes": (*recording.notes, *notes)})


def deferred(source: Source, memory: int) -> tuple[nn.Module, list[Page], tuple[str, ...]]:
    """Return the model without the values of its large tensors, their pages, and notes for the report.

    Raises:
        ValueError: a value is needed before the check, the largest parameter does not fit, or a checkpoint has other
            tensors.
    """
    checkpoint = None if source.weights is None else Checkpoint.of(source.weights)
    built = build_deferred(source.build, init=source.init, limit=memory // _BUILDING)
    model = built.made
    if not isinstance(model, nn.Module):
        raise TypeError(f"the function must return a torch.nn.Module, not {type(model).__name__}")
    refuse_compiled(model)
    names = _names(model)
    pages = [Page(names.get(region.storage._cdata, "a tensor"), region, recipe) for region, recipe in built.regions]
    _refuse_small(pages, memory)
    return model, pages, () if checkpoint is None else (read_from(checkpoint, model, pages),)


def _refuse_small(pages: Sequence[Page], memory: int) -> None:
    largest = max(pages, key=lambda page: page.needed, default=None)
    if largest is not None and largest.needed > memory:
        needed = math.ceil(largest.needed / 1e8) / 10
        raise ValueError(f"{text_of(memory)} of memory is less than {largest.name} needs: give {needed:g}GB or more")


def _names(model: nn.Module) -> dict[int, str]:
    """Return the first name of each storage."""
    names: dict[int, str] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        names.setdefault(tensor.untyped_storage()._cdata, name)
    return names
