"""``check``: a model judged by one forward and backward pass, and left as it was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from inithealth.call import Call
from inithealth.findings import Report
from inithealth.judge.diagnose import diagnose
from inithealth.record.graph.graph import collection_paused
from inithealth.record.layers.names import unwrapped
from inithealth.record.live.optimizers import describe_optimizers, is_adaptive
from inithealth.record.live.probation import STEPS, Trial
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.batches import (
    named_tensors,
    refuse_batch,
    refuse_model,
    refuse_values,
    revealed,
    transferred,
)
from inithealth.record.sandbox.eager_mode import NoDropout, whole_graph
from inithealth.record.sandbox.reachability import parted_by_values, unreached
from inithealth.record.sandbox.restore import optimizer_undisturbed, random_state, undisturbed
from inithealth.record.sandbox.unseen_layers import filled
from inithealth.record.statistics.gradients import gradient_norms
from inithealth.recording import Recording
from inithealth.sessions.lightning_module import configured_optimizers, is_lightning
from inithealth.sessions.objective import LossFunction, Objective
from inithealth.settings import Settings


def check(
    model: nn.Module,
    batch: Any,
    *,
    loss: LossFunction | None = None,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    settings: Settings | dict[str, Any] | None = None,
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
        optimizer: what it is to be trained with, several in a list; a LightningModule's own by default, else
            SGD with lr 0.01.
        settings: which rules, their options, what fails; a mapping is validated.

    Raises:
        ValueError: there is nothing to judge, with what to do about it: no batch, NaN in the batch, no
            parameters, all frozen, lazy or meta parameters, no scalar loss, unknown settings.
        TypeError: no module, no function as the loss, no optimizer, a batch that does not fit the call.
        Exception: whatever the model's own code raises, as it is.
    """
    settings = Settings.model_validate(settings or {})
    return diagnose(record(model, batch, loss=loss, optimizer=optimizer), settings)


def record(
    model: nn.Module,
    batch: Any,
    *,
    loss: LossFunction | None = None,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
) -> Recording:
    """The numbers that :func:`check` judges. Arguments and errors are its."""
    model = unwrapped(refuse_model(model))
    optimizers = _refuse_optimizers(optimizer, model)
    refuse_batch(batch)
    objective = Objective(model, batch, loss)
    device = next(model.parameters()).device
    # The caller may hold no_grad or inference_mode, where nothing has a gradient: this ends both.
    with torch.inference_mode(False), collection_paused(), undisturbed(model):
        whole = batch if objective.own_step else Call.of(batch)
        objective.batch = transferred(whole, lambda t: (t.clone() if t.is_inference() else t).to(device))
        refuse_values(objective.batch)
        return _recorded(_Session(objective, optimizers))


def _recorded(session: _Session) -> Recording:
    try:
        return session.run(reveal=True)
    except Exception as error:
        first = f"{type(error).__name__}: {error}"
    # Perhaps only because frozen parts and inputs were asked for gradients: run it as it is. Outside the handler,
    # so that what the model raises itself is not shown as an error within an error.
    session.rewind()
    recording = session.run(reveal=False)
    missing = f"inputs and frozen layers: with gradients asked of them the model raised {first}"
    return recording.model_copy(update={"not_measured": (*recording.not_measured, missing)})


def _refuse_optimizers(optimizer: Any, model: nn.Module) -> list[Optimizer]:
    """The optimizers given. Raises TypeError or ValueError where they are none of this model."""
    given = list(optimizer) if isinstance(optimizer, (list, tuple)) else [] if optimizer is None else [optimizer]
    ours = {id(parameter) for parameter in model.parameters()}
    for each in given:
        if isinstance(each, type) or not hasattr(each, "param_groups"):
            word = f"the class {each.__name__}" if isinstance(each, type) else type(each).__name__
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, not {word}: make it of the model's parameters")
        if not any(id(parameter) in ours for group in each.param_groups for parameter in group["params"]):
            raise ValueError(f"{type(each).__name__} holds no parameter of the model: make it of model.parameters()")
    return given


class _Session:
    """One check of one model."""

    def __init__(self, objective: Objective, optimizers: list[Optimizer]) -> None:
        self.objective, self.model = objective, objective.model
        self.payload = objective.batch
        self.parameters = list(self.model.parameters())
        self.trainable = [p for p in self.parameters if p.requires_grad]
        self.given = optimizers
        self.rewind = random_state()

    def run(self, *, reveal: bool) -> Recording:
        self._as_trained()
        recorder = Recorder(self.model, exact=True)
        with whole_graph(self.model, reveal_frozen=reveal):
            loss, gradients = self._pass(recorder, reveal)
            norms = gradient_norms(gradients)
            step = recorder.step(0, loss, gradients, norms)
            self._as_trained()
            with torch.no_grad():
                layers, step = filled(recorder.layers, step, self._loss, recorder.naming.parameters)
                recorder.describe(layers)
                hidden = [each for each in recorder.layers if each.weight and gradients.get(each.weight.name) is None]
                detached, unused = parted_by_values(unreached(hidden), recorder.naming, loss, self._loss)
            _refuse_unrelated(gradients, detached)
            optimizers, note = self._optimizers()
            trial = Trial(recorder.naming, recorder.layers, norms)
            if trial.needed:
                self._try(trial, optimizers, gradients)
            asleep = [layer for layer in recorder.layers if layer.weight and layer.weight.name in trial.asleep]
            _, idle = parted_by_values(asleep, recorder.naming, self._loss() if asleep else loss, self._loss)
        return recorder.recording((step,)).model_copy(
            update={
                "loss": self._loss_kind(recorder),
                "adaptive": is_adaptive(optimizers),
                "optimizer": note,
                "probation": trial.result() if trial.needed else None,
                "detached": detached,
                "unused": unused,
                "idle": idle,
                "notes": (self.objective.note, f"optimizer: {note}"),
            }
        )

    def _pass(self, recorder: Recorder, reveal: bool) -> tuple[float, dict[str, Tensor | None]]:
        """One forward and backward pass, recorded."""
        inputs: dict[str, Tensor] = {}
        self.objective.batch, inputs = revealed(self.payload) if reveal else (self.payload, inputs)
        recorder.attach()
        try:
            loss = self._forward()
            recorder.observe([loss], inputs or dict(named_tensors(self.payload)))
            wanted = {n: p for n, p in recorder.naming.parameters.items() if p.requires_grad}
            found = torch.autograd.grad(loss, [*wanted.values(), *inputs.values()], allow_unused=True)
        finally:
            recorder.detach()
            self.objective.batch = self.payload
        gradients = dict(zip(wanted, found, strict=False))
        # A function with a backward of its own, as of a reversible layer, puts its gradients there.
        for name, parameter in wanted.items():
            if gradients[name] is None and parameter.grad is not None:
                gradients[name], parameter.grad = parameter.grad, None
        return float(loss.detach()), {name: gradients[name] for name in wanted if name in recorder.naming.trainable}

    def _as_trained(self) -> None:
        """Only what the user trains has a gradient."""
        trainable = set(map(id, self.trainable))
        for parameter in self.parameters:
            wanted = id(parameter) in trainable
            if parameter.requires_grad != wanted:
                parameter.requires_grad_(wanted)

    def _forward(self, *, needs_graph: bool = True) -> Tensor:
        with NoDropout():
            return self.objective(needs_graph=needs_graph)

    def _loss(self) -> float:
        self.rewind()
        # Without a graph there is nothing to refuse: the values alone are wanted.
        return float(self._forward(needs_graph=False).detach())

    def _loss_kind(self, recorder: Recorder) -> Any:
        kind = {"kind": "projection"} if self.objective.projected else {}
        return recorder.observer.loss.model_copy(update=kind)

    def _optimizers(self) -> tuple[list[Optimizer], str]:
        """The optimizer given, or the LightningModule's own, or SGD; and what the report says of it."""
        if self.given:
            return self.given, describe_optimizers(self.given)
        if is_lightning(self.model):
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
            _at_work(optimizers)
            for name, parameter in parameters.items():
                parameter.grad = gradients.get(name)
            for _ in range(STEPS):
                for optimizer in optimizers:
                    _step(optimizer, lambda: self._closure(parameters))
                self._closure(parameters)
                trial.note(gradient_norms({name: p.grad for name, p in parameters.items()}))

    def _closure(self, parameters: dict[str, nn.Parameter]) -> float:
        """The loss, and its gradients put where an optimizer looks for them."""
        self.rewind()
        with torch.enable_grad():
            loss = self._forward()
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for parameter, gradient in zip(parameters.values(), found, strict=True):
            parameter.grad = gradient
        return float(loss.detach())


def _refuse_unrelated(gradients: Mapping[str, Tensor | None], detached: Sequence[str]) -> None:
    """Raises ValueError where the loss has a graph, but not of this model."""
    if not detached and all(gradient is None for gradient in gradients.values()):
        raise ValueError(
            "the loss does not depend on any trainable parameter of the model, so nothing would train: "
            "make it of the model's output, and look for .detach(), .data or no_grad on the way"
        )


def _at_work(optimizers: Sequence[Optimizer]) -> None:
    """Give each learning rate of 0, as a warm-up starts with, the size that it is to reach: nothing would move."""
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        if float(group.get("lr", 1.0)) == 0.0:
            group["lr"] = group.get("initial_lr") or 0.01


def _step(optimizer: Optimizer, closure: Callable[[], float]) -> None:
    wanted = signature(optimizer.step).parameters.get("closure")
    if wanted is not None and wanted.default is wanted.empty:  # LBFGS and its kin run the model themselves
        optimizer.step(closure)
    else:
        optimizer.step()


def _all_undisturbed(optimizers: Sequence[Optimizer]) -> Any:
    from contextlib import ExitStack

    stack = ExitStack()
    for optimizer in optimizers:
        stack.enter_context(optimizer_undisturbed(optimizer))
    return stack
