"""Checks of models that are larger than memory: their parameters are made while they are used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.findings import Report
from inithealth.judge.diagnose import diagnose
from inithealth.record.layers.wrapper_prefixes import compiled_modules
from inithealth.record.paged.address_space import refuse_platform, resident_bytes
from inithealth.record.paged.build import build_deferred
from inithealth.record.paged.pager import Pager
from inithealth.record.paged.pages import Page
from inithealth.record.sandbox.turns import in_turn
from inithealth.recording import Recording
from inithealth.sessions.objective import LossFunction
from inithealth.sessions.oneshot import requested
from inithealth.sessions.paged_pass import PagedPass
from inithealth.sessions.paged_progress import Progress
from inithealth.settings import Settings

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

Initialize = Callable[[nn.Module], Any]
MakeOptimizer = Callable[[nn.Module], Optimizer | Sequence[Optimizer] | None]
_BUILDING = 8  # share of the memory for values that are read while the model is built: one of so many


def paged_check(
    build: Callable[[], nn.Module],
    batch: Callable[[nn.Module], Any],
    *,
    settings: Settings,
    memory: int,
    loss: LossFunction | None = None,
    optimizer: MakeOptimizer | None = None,
    init: Initialize | None = None,
    weights: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Return the report of a model that is built and judged in a limited memory.

    Args:
        build: returns the model.
        batch: returns the batch, given the model without values.
        memory: bytes that the process may use beyond what it uses now.
        init: initializes the model after it is built.
        weights: folder of safetensors with the values of the parameters.
        progress: called with a line of text.
    """
    refuse_platform()

    def recorded() -> Recording:
        baseline = resident_bytes()
        model, pages = deferred(build, memory, init, weights)
        made = optimizer(model) if optimizer is not None else None
        request = requested(model, batch(model), loss, made)
        with Pager(pages, memory, baseline, Progress(len(pages), progress)) as pager:
            paged = [each for each in _tensors(model) if pager.of(each) is not None]
            recording = replace(request, one_pass=partial(PagedPass, pager), known=paged).recording()
        note = (
            f"memory: {pager.most / 1e9:.2g} of {memory / 1e9:g} GB used; {len(pages)} weights made {pager.loads} times"
        )
        return recording.model_copy(update={"notes": (*recording.notes, note)})

    return diagnose(in_turn(recorded, {id(build)}), settings)


def deferred(
    build: Callable[[], nn.Module], memory: int, init: Initialize | None, weights: str | None
) -> tuple[nn.Module, list[Page]]:
    """Return the model without the values of its large tensors, and their pages.

    Raises:
        ValueError: a value is needed before the check, or the largest parameter does not fit.
    """
    built = build_deferred(build, init=init, limit=memory // _BUILDING)
    model = built.made
    if compiled_modules(model):
        raise ValueError("compiled code reads parameters that are not in memory: build the model without torch.compile")
    names = _names(model)
    pages = [Page(names.get(key, "a tensor"), region, recipe) for key, (region, recipe) in built.pages.items()]
    _refuse_small(pages, memory)
    return model, pages


def _refuse_small(pages: Sequence[Page], memory: int) -> None:
    largest = max(pages, key=lambda page: page.needed, default=None)
    if largest is not None and largest.needed > memory:
        needed = math.ceil(largest.needed / 1e8) / 10
        raise ValueError(
            f"memory={memory / 1e9:g} GB is less than {largest.name} needs with its gradient: give {needed:g}GB or more"
        )


def _names(model: nn.Module) -> dict[int, str]:
    """Return the first name of each storage."""
    names: dict[int, str] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        names.setdefault(tensor.untyped_storage()._cdata, name)
    return names


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
