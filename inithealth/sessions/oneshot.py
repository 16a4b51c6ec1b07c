"""``check``: judges a model by one forward and backward pass, and restores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, NoReturn

from torch import nn
from torch.optim import Optimizer

from inithealth.findings import Report
from inithealth.judge.diagnose import diagnose
from inithealth.recording import Recording
from inithealth.sessions.objective import LossFunction
from inithealth.sessions.other_names import unknown_argument
from inithealth.sessions.request import Request, requested
from inithealth.sessions.verification import verified
from inithealth.settings import Settings, settings_of

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


def check(
    model: nn.Module | Callable[[], nn.Module],
    batch: Any,
    *misplaced: NoReturn,
    loss: LossFunction | None = None,
    optimizer: Optimizer | Sequence[Optimizer] | Callable[[nn.Module], Any] | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    verify: bool = False,
    memory: int | str | None = None,
    init: Callable[[nn.Module], Any] | None = None,
    weights: str | PathLike[str] | None = None,
    **unknown: NoReturn,
) -> Report:
    """Judge a model's initialization without sampling, and restore the model.

    ::

        report = inithealth.check(model, (inputs, targets), loss=torch.nn.functional.cross_entropy)
        report = inithealth.check(model, loader, loss=torch.nn.CrossEntropyLoss())  # its first batch
        report = inithealth.check(build, tokens, memory="8GB")  # a model that is larger than memory
        report.raise_if_unhealthy()

    The model runs once in training mode without dropout, and for up to four optimizer steps if the verdict
    depends on them (weights at exact zero, duplicate units). Weights, buffers, gradients, modes, hooks,
    random state and the optimizer are restored, also after an error.

    Args:
        model: any module; with `memory`, a function that builds it. For a LightningModule, ``training_step(batch, 0)``
            runs with a Trainer in its first step; if none is attached, with one of 10 epochs of 100 batches. Only if
            the step fails, ``setup("fit")`` and the other hooks before a first step run too; the files that they write
            or download are kept.
        batch: a tensor is passed as ``model(batch)``, a tuple or list as ``model(*batch)``, a mapping as
            ``model(**batch)``; use :class:`inithealth.Call` for anything else. It is moved to the model's device. For a
            DataLoader or LightningDataModule the first batch is used, and random state is restored; for an iterator
            the next batch is used and consumed.
        loss: returns a scalar, given the output. With two required parameters, as ``F.cross_entropy`` has, it receives
            the output and the one element of the batch that remains after the model's required parameters are bound.
            Without a loss: ``output.loss``, else a random projection.
        optimizer: that of the training, or a list. By default a LightningModule's own, else SGD with lr 0.01. With
            `memory`, a function that creates it, given the model.
        settings: select the rules, their options and the severity that fails; a mapping is validated.
        verify: also check the same batch with the fix of each cause; `finding.verified` then says what the fix does.
        memory: build the model without memory for its large tensors, make each weight when it is used, and use at most
            so much memory for all of it: a number of bytes, or text such as ``"8GB"``. The verdict is the same.
        init: with `memory`: initializes the model after it is built, perhaps on the meta device.
        weights: with `memory`: a folder of safetensors, whose values replace those of the initialization.

    Raises:
        ValueError: there is nothing to judge (no batch, NaN in the batch, no parameters, all frozen, lazy or meta
            parameters, no scalar loss), or a setting is unknown; the message suggests a fix. With `memory`: the largest
            weight does not fit, or values are needed while the model is built; the message names the line.
        TypeError: an argument is unknown, `model` is not a module, `loss` is not callable, `optimizer` is not an
            optimizer, or `batch` does not match the arguments of the model and the loss, or matches them in several
            ways; or the model holds something that it could change and a check could not restore, such as a generator.
        RuntimeError: something could not be restored; everything else is.
        Exception: an error in the model's code, unchanged.
    """
    if misplaced:
        raise TypeError("check takes a model and one batch: pass (inputs, targets) as the batch, and loss=... by name")
    if unknown:
        raise TypeError(unknown_argument(next(iter(unknown)), own=("verify", "memory", "init", "weights")))
    if memory is not None:
        from inithealth.sessions.paged import check_paged  # its imports of torch take as long as a small check

        if verify:
            raise ValueError("verify does not work with memory: each fix would need another check of the large model")
        return check_paged(model, batch, loss, optimizer, settings_of(settings), memory, init, weights)
    if init is not None or weights is not None:
        raise TypeError(f"{'weights' if init is None else 'init'} needs memory, as in memory='8GB'")
    return _judged(settings_of(settings), requested(model, batch, loss, optimizer), verify=verify)


def record(
    model: nn.Module,
    batch: Any,
    *,
    loss: LossFunction | None = None,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
) -> Recording:
    """Return the recording that :func:`check` judges. Takes the same arguments and raises the same errors."""
    return requested(model, batch, loss, optimizer).recording()


def _judged(settings: Settings, request: Request, *, verify: bool) -> Report:
    report = diagnose(request.recording(), settings)
    return verified(report, lambda fix: diagnose(request.recording(fix), settings)) if verify else report
