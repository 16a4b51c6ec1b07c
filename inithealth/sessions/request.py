"""The validated arguments of a check, and the recording that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.call import Call
from inithealth.operations import Operation
from inithealth.record.sandbox.batches import (
    refuse_batch,
    refuse_constant,
    refuse_sharded,
    refuse_values,
    trainable_model,
    transferred,
)
from inithealth.record.sandbox.execution import execute
from inithealth.record.sandbox.restore import isolated, restored
from inithealth.record.sandbox.turns import in_turn, rewinder, shared_objects
from inithealth.recording import Recording
from inithealth.sessions.first_batch import first_batch
from inithealth.sessions.fix_trials import NotTried
from inithealth.sessions.objective import LossFunction, Objective
from inithealth.sessions.one_pass import OnePass
from inithealth.sessions.stand_in_trainer import first_training_step
from inithealth.sessions.trial_optimizers import refuse_optimizers

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


@dataclass(frozen=True)
class Request:
    """The validated arguments of a check.

    Attributes:
        one_pass: creates the pass.
        known: what the model holds and need not be restored.
    """

    model: nn.Module
    batch: Any  # the first one of a loader
    origin: str  # where the batch is from, as a note; "" if it was given
    loss: LossFunction | None
    optimizers: list[Optimizer]
    one_pass: Callable[..., OnePass] = OnePass
    known: Sequence[Tensor] = ()

    def recording(self, changes: Sequence[Operation] = ()) -> Recording:
        """Return the recording of one check, of the model with some changes. Raises NotTried if it fails with them."""

        def judged() -> Recording:
            objective = Objective(self.model, self.batch, self.loss, drawn=bool(self.origin))
            return self._isolated(objective, changes)

        recording = in_turn(judged, shared_objects(self.model, self.loss, self.optimizers))
        return recording.model_copy(update={"notes": (self.origin, *recording.notes)}) if self.origin else recording

    def _isolated(self, objective: Objective, changes: Sequence[Operation]) -> Recording:
        """Return the recording of one check, and restore what it changes."""
        refuse_constant(objective.batch, with_labels=objective.own_step)
        model = objective.model
        device = next(model.parameters()).device
        batch = {"batch": objective.batch, "targets": objective.targets}
        with isolated(model, self.known, loss=objective.loss), restored(batch) as kept:
            whole = objective.batch if objective.own_step else Call.of(objective.batch)
            objective.batch, objective.targets = transferred(
                (whole, objective.targets), lambda t: (t.clone() if t.is_inference() else t).to(device)
            )
            with first_training_step(model, objective.batch):
                make = partial(self.one_pass, objective, self.optimizers, kept.restore)
                return _changed(model, changes, make) if changes else _recorded(make())


def requested(model: Any, batch: Any, loss: LossFunction | None, optimizer: Any) -> Request:
    """Return the validated arguments of a check. Raises the same errors as :func:`check`."""
    model = trainable_model(model)
    refuse_sharded(model)
    optimizers = refuse_optimizers(optimizer, model)
    data = batch
    # An iterator cannot be read twice.
    once = isinstance(data, Iterator)
    batch, origin = first_batch(data) if once else in_turn(lambda: first_batch(data), {id(data)})
    refuse_batch(batch)
    refuse_values(batch)
    return Request(model, batch, origin, loss, optimizers)


def _changed(model: nn.Module, changes: Sequence[Operation], make: Callable[[], OnePass]) -> Recording:
    """Return the recording of the model with some changes. Raises NotTried if they or the model fail."""
    try:
        execute(model, changes)
        rewinder()()  # the passes draw the same random numbers as without the changes
        return _recorded(make())
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), "")
        raise NotTried(f"{type(error).__name__}: {first_line}") from error


def _recorded(session: OnePass) -> Recording:
    try:
        return session.run(reveal=True)
    except Exception as error:
        if isinstance(error, ValueError) and "Expected more than 1 value per channel" in str(error):
            raise ValueError(f"{error}: BatchNorm needs several samples, pass a batch of 8 or more") from None
        first, lacks_start = f"{type(error).__name__}: {error}", session.objective.lacks_start(error)
    session.rewind()
    if lacks_start:
        session.objective.start(first)
        return _recorded(session)
    # The run may have failed because gradients of frozen parameters and inputs were enabled: run it without. Outside
    # the handler, the model's own error is not chained to the first one.
    recording = session.run(reveal=False)
    missing = f"inputs and frozen layers: with their gradients enabled, the model raised {first}"
    return recording.model_copy(update={"not_measured": (*recording.not_measured, missing)})
