"""Restores the state of the model and of the process bit for bit, also after an error."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from inithealth.record.collection import collection_paused
from inithealth.record.sandbox.random_state import random_state
from inithealth.record.sandbox.restoring import Failure
from inithealth.record.sandbox.snapshot import Snapshot

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


@contextmanager
def undisturbed(model: nn.Module, **others: Any) -> Iterator[None]:
    """Restore everything that the model and other objects hold on exit, and random state.

    This includes parameters, buffers, gradients, requires_grad, modes, hooks and attributes, with what is in
    containers, arrays, random generators and objects of the model's own code. In the context every ``.grad`` is None,
    so gradients are not accumulated.

    Args:
        others: objects by name, such as the batch.

    Raises:
        TypeError: something could be changed and not restored, such as a generator. Nothing is changed then.
        RuntimeError: on exit, if something could not be restored. Everything else is restored.
    """
    rewind = random_state()
    with restored({"model": model, **others}):
        try:
            for parameter in model.parameters():
                parameter.grad = None
            yield
        finally:
            rewind()


@contextmanager
def isolated(model: nn.Module, known: Iterable[Any] = (), **others: Any) -> Iterator[None]:
    """Like :func:`undisturbed` without random state; also enable gradients and pause garbage collection.

    Args:
        known: objects that are not restored.
    """
    # The caller may be in no_grad or inference_mode: this leaves both.
    with torch.inference_mode(False), collection_paused(), restored({"model": model, **others}, known):
        for parameter in model.parameters():
            parameter.grad = None
        yield


@contextmanager
def restored(objects: dict[str, Any], known: Iterable[Any] = ()) -> Iterator[Snapshot]:
    """Restore some objects and everything that they hold on exit, except what is known. Raises as `undisturbed`."""
    snapshot = Snapshot(objects, known)
    try:
        yield snapshot
    except BaseException:
        for name, error in _restore(snapshot):  # the error of the model is more important
            logging.getLogger("inithealth").warning("%s could not be restored: %s", name, error)
        raise
    failures = _restore(snapshot)
    if failures:
        name, error = failures[0]
        raise RuntimeError(f"{name} could not be restored after the check: {error}") from error


@contextmanager
def optimizer_undisturbed(optimizer: Optimizer) -> Iterator[None]:
    """Restore the optimizer's state, options and step counters on exit, without its parameters."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    with restored({"optimizer": optimizer}, known=parameters):
        yield


def _restore(snapshot: Snapshot) -> list[Failure]:
    """Return what could not be restored. An interruption is raised when everything else is restored."""
    try:
        failures = snapshot.restore()
    except BaseException:  # interrupted between two steps
        snapshot.restore()
        raise
    for _, error in failures:
        if not isinstance(error, Exception):
            raise error
    return failures
