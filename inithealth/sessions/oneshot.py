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

        inithealth.check(model, loader, loss=torch.nn.CrossEntropyLoss()).raise_if_unhealthy()
        report = inithealth.check(Classifier, loader, memory="8GB")  # a model that is larger than memory

    The model runs once in training mode without dropout, and for up to four optimizer steps if weights are zero.

    Args:
        model: any module; with `memory`, a function that builds it. For a LightningModule, ``training_step(batch, 0)``
            runs with a Trainer in its first step; if it fails, ``setup("fit")`` and the other hooks before it run too.
        batch: a tensor is passed as ``model(batch)``, a tuple or list as ``model(*batch)``, a mapping as
            ``model(**batch)``, anything else as :class:`inithealth.Call`, on the model's device. A DataLoader's or
            LightningDataModule's first batch is used, and random state is restored; an iterator's next one is consumed.
        loss: returns a scalar, given the output; with two parameters, also the element of the batch that the model does
            not require. By default ``output.loss``, else a random projection.
        optimizer: that of the training, or a list; with `memory`, a function that creates it, given the model. By
            default a LightningModule's own, else SGD with lr 0.01.
        settings: select the rules, their options and the severity that fails; a mapping is validated.
        verify: also check the same batch with the fix of each cause; `finding.verified` then says what the fix does.
        memory: bytes, or text such as ``"8GB"``, that the whole check may use: each weight is made when it is used.
        init, weights: with `memory`, a function that initializes the built model; a folder of safetensors files.

    Raises:
        ValueError: there is nothing to judge (no batch, NaN in it, no parameters, all frozen, lazy or meta, no scalar
            loss), or too little memory, or a setting is unknown; the message suggests a fix.
        TypeError: an argument is unknown or of a wrong type, `batch` does not match the arguments of model and loss or
            matches them in several ways, or the model holds something that cannot be restored.
        Exception: an error in the model's code, unchanged; RuntimeError if something could not be restored.
    """
    _refuse(misplaced, unknown)
    if memory is None:
        _refuse_for_memory(init=init, weights=weights)
        return _judged(settings_of(settings), requested(model, batch, loss, optimizer), verify=verify)
    from inithealth.sessions.paged import check_paged  # its imports of torch take as long as a small check

    return check_paged(model, batch, loss, optimizer, settings_of(settings), memory, init, weights, verify)


def _refuse(misplaced: tuple[Any, ...], unknown: Mapping[str, Any]) -> None:
    if misplaced:
        raise TypeError("check takes a model and one batch: pass (inputs, targets) as the batch, and loss=... by name")
    if unknown:
        raise TypeError(unknown_argument(next(iter(unknown)), own=("verify", "memory", "init", "weights")))


def _refuse_for_memory(**options: Any) -> None:
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        raise TypeError(f"{given} needs memory, as in memory='8GB'")


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
