"""One recorded forward and backward pass, and the optimizer steps that settle the suspects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.record.live.optimizers import is_adaptive
from inithealth.record.live.probation import STEPS, Trial
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.batches import fresh, named_tensors, revealed
from inithealth.record.sandbox.eager_mode import NoDropout, whole_graph
from inithealth.record.sandbox.reachability import split_by_values, unreached
from inithealth.record.sandbox.turns import rewinder
from inithealth.record.sandbox.unfilled_buffers import unfilled
from inithealth.recording import Recording, Step, UnfilledBuffer, weighted
from inithealth.sessions.assembly import Assembly, Training
from inithealth.sessions.objective import Objective
from inithealth.sessions.stand_in_trainer import count_steps, show_batch
from inithealth.sessions.trial_optimizers import optimizers_of, step, with_learning_rate

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


class OnePass:
    """One check of one model: a recorded pass, and optimizer steps if there are suspects.

    Args:
        objective: runs the model and returns the loss.
        optimizers: those given by the user; may be empty.
        restore_batch: restores the batch before each pass. A copy of it has the same objects of classes that cannot be
            copied, which the model may change.
    """

    def __init__(
        self,
        objective: Objective,
        optimizers: list[Optimizer],
        restore_batch: Callable[[], object] = lambda: None,
    ) -> None:
        self.objective, self.model = objective, objective.model
        self.payload, self.targets = objective.batch, objective.targets
        self._restore_batch = restore_batch
        self.parameters = list(self.model.parameters())
        self.trainable = [p for p in self.parameters if p.requires_grad]
        self.given = optimizers
        self.notes: list[str] = []  # on the steps
        self.rewind = rewinder()

    def run(self, *, reveal: bool) -> Recording:
        self._as_trained()
        recorder = self._recorder()
        with whole_graph(self.model, reveal_frozen=reveal):
            loss, gradients = self._pass(recorder, reveal)
            norms, step = self._measured(recorder, loss, gradients)
            self._as_trained()
            with torch.no_grad():
                step = recorder.fill_unseen(step, self._loss)
                hidden = [layer for layer, weight in weighted(recorder.layers) if gradients.get(weight.name) is None]
                empty = self._unfilled(recorder, loss)
                detached, unused = split_by_values(unreached(hidden), recorder.naming, loss, self._loss)
            _refuse_unrelated(gradients, detached)
            optimizers, note, rate = optimizers_of(self.model, self.given, self.trainable)
            trial = self._trial(recorder, norms)
            if trial.needed:
                self._try(trial, optimizers, gradients, recorder)
            still = [layer for layer in recorder.layers if layer.parameter in trial.without_gradient]
            _, idle = split_by_values(still, recorder.naming, self._loss() if still else loss, self._loss)
        training = Training(
            optimizer=note,
            rate=rate,
            adaptive=is_adaptive(optimizers),
            probation=trial.result() if trial.needed else None,
            detached=detached,
            unused=unused,
            idle=idle,
            unfilled=empty,
            notes=(self.objective.note, f"optimizer: {note}", *self.notes),
        )
        return Assembly(recorder).recording((step,), training, projected=self.objective.projected)

    def _recorder(self) -> Recorder:
        return Recorder(self.model, exact=True)

    def _measured(
        self, recorder: Recorder, loss: float, gradients: Mapping[str, Tensor | None]
    ) -> tuple[dict[str, float], Step]:
        """Return the norms of the gradients, and the measurements of the step."""
        norms = recorder.norms(gradients)
        return norms, recorder.step(0, loss, gradients, norms)

    def _pass(self, recorder: Recorder, reveal: bool) -> tuple[float, dict[str, Tensor | None]]:
        """Run and record one forward and backward pass; return the loss and the gradients by parameter."""
        copies: dict[int, Tensor] = {}
        inputs: dict[str, Tensor] = {}
        batch = fresh(self.payload, copies)
        if reveal:
            batch, inputs = revealed(batch)
        named = inputs or dict(named_tensors(batch))
        recorder.attach()
        try:
            loss = self._forward(batch, copies)
            recorder.observe([loss], named)
            trained = {n: p for n, p in recorder.naming.parameters.items() if p.requires_grad}
            found = torch.autograd.grad(loss, [*trained.values(), *inputs.values()], allow_unused=True)
        finally:
            recorder.detach()
            self.objective.batch = self.payload
        gradients = dict(zip(trained, found, strict=False))
        # A custom autograd function, as in a reversible layer, may write gradients to `.grad`.
        for name, parameter in trained.items():
            if gradients[name] is None and parameter.grad is not None:
                gradients[name], parameter.grad = parameter.grad, None
        return float(loss.detach()), {name: gradients[name] for name in trained if name in recorder.naming.trainable}

    def _as_trained(self) -> None:
        """Restore ``requires_grad``: only the trainable parameters have a gradient."""
        trainable = set(map(id, self.trainable))
        for parameter in self.parameters:
            trained = id(parameter) in trainable
            if parameter.requires_grad != trained:
                parameter.requires_grad_(trained)

    def _forward(
        self, batch: Any = None, copies: dict[int, Tensor] | None = None, *, needs_graph: bool = True
    ) -> Tensor:
        """Run the objective on a batch, by default a fresh one, and on fresh targets."""
        self._restore_batch()
        copies = {} if copies is None else copies
        self.objective.batch = fresh(self.payload, copies) if batch is None else batch
        self.objective.targets = fresh(self.targets, copies)
        show_batch(self.model, self.objective.batch)
        with NoDropout():
            return self.objective(needs_graph=needs_graph)

    def _loss(self) -> float:
        self.rewind()
        # Only the value is needed, so a loss without a graph is accepted.
        return float(self._forward(needs_graph=False).detach())

    def _unfilled(self, recorder: Recorder, loss: float) -> tuple[UnfilledBuffer, ...]:
        """Return the buffers that were never filled."""
        try:
            return unfilled(recorder.naming.modules, self._loss, loss)
        except Exception as error:  # a tensor that cannot be traced
            recorder.note("buffers", error)
            return ()

    def _trial(self, recorder: Recorder, norms: Mapping[str, float]) -> Trial:
        return Trial(recorder.naming, recorder.layers, norms)

    def _try(
        self, trial: Trial, optimizers: Sequence[Optimizer], gradients: dict[str, Tensor | None], recorder: Recorder
    ) -> None:
        """Run optimizer steps until the suspects are settled."""
        parameters = {name: p for name, p in trial.naming.parameters.items() if p.requires_grad}
        with with_learning_rate(optimizers):
            for name, parameter in parameters.items():
                parameter.grad = gradients.get(name)
            for taken in range(STEPS):
                for optimizer in optimizers:
                    step(optimizer, lambda: self._closure(parameters))
                count_steps(self.model, taken + 1)
                self._closure(parameters)
                trial.note(recorder.norms({name: p.grad for name, p in parameters.items()}))
        count_steps(self.model, 0)

    def _closure(self, parameters: dict[str, nn.Parameter]) -> float:
        """Return the loss, and store its gradients in ``.grad``."""
        self.rewind()
        with torch.enable_grad():
            loss = self._forward()
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for parameter, gradient in zip(parameters.values(), found, strict=True):
            parameter.grad = gradient
        return float(loss.detach())


def _refuse_unrelated(gradients: Mapping[str, Tensor | None], detached: Sequence[str]) -> None:
    """Raise ValueError if the loss depends on no parameter of the model."""
    if not detached and all(gradient is None for gradient in gradients.values()):
        raise ValueError(
            "the loss does not depend on any trainable parameter of the model, so nothing would train: "
            "compute it from the model's output, and look for .detach(), .data or no_grad on the way"
        )
