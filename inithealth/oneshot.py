"""``check``: a model judged by one forward and backward pass, and left as it was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from inithealth.call import Call
from inithealth.diagnose import diagnose
from inithealth.findings import Report
from inithealth.objective import LossFunction, Objective, configured_optimizers, is_lightning
from inithealth.record.batches import named_tensors, refuse_batch, refuse_model, revealed, transferred
from inithealth.record.eager import whole_graph
from inithealth.record.gradients import gradient_norms
from inithealth.record.layers import layers_of
from inithealth.record.names import unwrapped
from inithealth.record.optimizers import describe_optimizers, is_adaptive
from inithealth.record.probation import STEPS, Trial
from inithealth.record.reach import detached_layers
from inithealth.record.recorder import Recorder
from inithealth.record.restore import optimizer_undisturbed, random_state, undisturbed
from inithealth.recording import Recording
from inithealth.settings import Settings


def check(
    model: nn.Module,
    batch: Any,
    *,
    loss: LossFunction | None = None,
    optimizer: Optimizer | None = None,
    settings: Settings | None = None,
) -> Report:
    """Judge a model's initialization, exactly, and leave the model as it was found.

    The model runs in training mode with dropout off, once, and up to four optimizer steps more where
    only they can tell (weights at exact zero, duplicated units). Weights, buffers, gradients, modes,
    hooks, random state and the optimizer are restored, also after an error.

    Args:
        model: any module. A LightningModule runs ``training_step(batch, 0)``; it needs no Trainer.
        batch: a tensor is ``model(batch)``, a tuple or list ``model(*batch)``, a mapping
            ``model(**batch)``, an :class:`inithealth.Call` anything else. Moved to the model's device.
        loss: gives a scalar from the output. Without one: ``output.loss``, else a random projection.
        optimizer: what it is to be trained with; a LightningModule's own by default, else SGD with lr 0.01.
        settings: which rules, their options, what fails.

    Raises:
        ValueError: there is nothing to judge, with what to do about it: no batch, NaN in the batch, no
            parameters, all frozen, lazy or meta parameters, no scalar loss.
        Exception: whatever the model's own code raises, as it is.
    """
    model = unwrapped(refuse_model(model))
    device = next(model.parameters()).device
    own = is_lightning(model) and loss is None
    payload = transferred(batch if own else Call.of(batch), lambda tensor: tensor.to(device))
    refuse_batch(batch, payload)
    with undisturbed(model):
        session = _Session(Objective(model, payload, loss), optimizer)
        try:
            recording = session.run(reveal=True)
        except Exception:
            # Perhaps only because frozen parts and inputs were asked for gradients: run it as it is.
            session.rewind()
            recording = session.run(reveal=False)
    return diagnose(recording, settings or Settings())


class _Session:
    """One check of one model."""

    def __init__(self, objective: Objective, optimizer: Optimizer | None) -> None:
        self.objective, self.model = objective, objective.model
        self.payload = objective.batch
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.given = optimizer
        self.rewind = random_state()

    def run(self, *, reveal: bool) -> Recording:
        recorder = Recorder(self.model, exact=True)
        with whole_graph(self.model, reveal_frozen=reveal):
            loss, gradients = self._pass(recorder, reveal)
            norms = gradient_norms(gradients)
            step = recorder.step(0, loss, gradients, norms)
            self._as_trained()
            with torch.no_grad():
                detached, unused = detached_layers(recorder.layers, recorder.naming, loss, self._loss)
            optimizers, note = self._optimizers()
            trial = Trial(recorder.naming, recorder.layers, norms)
            if trial.needed:
                self._try(trial, optimizers, gradients)
        return recorder.recording((step,)).model_copy(
            update={
                "loss": self._loss_kind(recorder),
                "adaptive": is_adaptive(optimizers),
                "optimizer": note,
                "probation": trial.result() if trial.needed else None,
                "detached": detached,
                "unused": unused,
                "notes": (self.objective.note, f"optimizer: {note}"),
            }
        )

    def _pass(self, recorder: Recorder, reveal: bool) -> tuple[float, dict[str, Tensor | None]]:
        """One forward and backward pass, recorded."""
        inputs: dict[str, Tensor] = {}
        self.objective.batch, inputs = revealed(self.payload) if reveal else (self.payload, inputs)
        recorder.attach()
        try:
            loss = self.objective()
            recorder.observe([loss], inputs or dict(named_tensors(self.payload)))
            wanted = {n: p for n, p in recorder.naming.parameters.items() if p.requires_grad}
            found = torch.autograd.grad(loss, [*wanted.values(), *inputs.values()], allow_unused=True)
        finally:
            recorder.detach()
            self.objective.batch = self.payload
        gradients = dict(zip(wanted, found, strict=False))
        return float(loss.detach()), {name: gradients[name] for name in wanted if name in recorder.naming.trainable}

    def _as_trained(self) -> None:
        """From here on only what the user trains has a gradient."""
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        for parameter in self.trainable:
            parameter.requires_grad_(True)

    def _loss(self) -> float:
        self.rewind()
        # Without a graph there is nothing to refuse: the values alone are wanted.
        return float(self.objective(needs_graph=False).detach())

    def _loss_kind(self, recorder: Recorder) -> Any:
        kind = {"kind": "projection"} if self.objective.projected else {}
        return recorder.loss.model_copy(update=kind)

    def _optimizers(self) -> tuple[list[Optimizer], str]:
        """The optimizer given, or the LightningModule's own, or SGD; and what the report says of it."""
        if self.given is not None:
            return [self.given], describe_optimizers([self.given])
        if self.objective.lightning:
            try:
                own = configured_optimizers(self.model)
            except Exception as error:  # it may want a trainer, which a check does without
                why = f"configure_optimizers raised {type(error).__name__}"
            else:
                if own:
                    return own, describe_optimizers(own)
                why = "configure_optimizers gave none"
        else:
            why = "none given"
        default = SGD(self.trainable, lr=0.01)
        return [default], f"{describe_optimizers([default])} ({why})"

    def _try(self, trial: Trial, optimizers: Sequence[Optimizer], gradients: dict[str, Tensor | None]) -> None:
        """Optimizer steps until the suspects are settled."""
        parameters = {name: p for name, p in trial.naming.parameters.items() if p.requires_grad}
        with _all_undisturbed(optimizers):
            for _ in range(STEPS):
                for name, parameter in parameters.items():
                    parameter.grad = gradients.get(name)
                for optimizer in optimizers:
                    _step(optimizer, lambda: torch.enable_grad()(self.objective)())
                self.rewind()
                loss = self.objective()
                found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
                gradients = dict(zip(parameters, found, strict=True))
                trial.note(gradient_norms(gradients))


def _step(optimizer: Optimizer, closure: Callable[[], Tensor]) -> None:
    if type(optimizer).__name__ == "LBFGS":  # the one optimizer that must run the model itself
        optimizer.step(lambda: float(closure()))
    else:
        optimizer.step()


def _all_undisturbed(optimizers: Sequence[Optimizer]) -> Any:
    from contextlib import ExitStack

    stack = ExitStack()
    for optimizer in optimizers:
        stack.enter_context(optimizer_undisturbed(optimizer))
    return stack
