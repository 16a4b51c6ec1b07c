"""``watch``: the early steps of any training loop, sampled at a cost that nobody notices."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.alerts import Alerts
from inithealth.diagnose import diagnose
from inithealth.findings import Finding, Report
from inithealth.record.batches import named_tensors
from inithealth.record.gradients import gradient_norms
from inithealth.record.names import unwrapped
from inithealth.record.optimizers import describe_optimizers, is_adaptive
from inithealth.record.probation import Trial
from inithealth.record.reach import seen_detached, unreached
from inithealth.record.recorder import Recorder
from inithealth.recording import Recording, Step
from inithealth.settings import Settings

logger = logging.getLogger("inithealth")

_KEPT_STEPS = 64  # recorded steps that are held: memory does not grow with the run


class Monitor:
    """Watches a model's steps: forward hooks and gradients on scheduled steps, nothing on the others.

    Use :func:`watch`, or the :class:`inithealth.InitHealth` callback. Never raises in the training loop:
    what could not be measured is in the report.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        scaler: Any = None,
        writer: Any = None,
        settings: Settings | None = None,
        on_alert: Callable[[Finding], None] | None = None,
    ) -> None:
        self.model = unwrapped(model)
        self.settings = settings or Settings()
        self.optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer or ())
        self.scaler = scaler
        self.index = 0  # optimizer steps taken
        self.alerts = Alerts(writer, on_alert)
        self._recorder = Recorder(self.model, exact=False, sample_bytes=self.settings.sample_bytes)
        self._first: Step | None = None
        self._later: deque[Step] = deque(maxlen=_KEPT_STEPS)
        self._trial: Trial | None = None
        self._detached: tuple[str, ...] = ()
        self._report: Report | None = None
        self._handles: list[Any] = []
        self._inputs: dict[str, Tensor] = {}
        self.batch: Any = None  # of the coming step, where no forward of the whole model shows it
        self._loss: Tensor | None = None
        self._observed = False
        self._scale: float | None = None

    def __enter__(self) -> Monitor:
        self._handles += [
            self.model.register_forward_pre_hook(self._before_forward, with_kwargs=True),
            self.model.register_forward_hook(self._after_forward),
        ]
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def watching(self) -> bool:
        """Whether the coming step is measured."""
        return self.settings.watches(self.index)

    def begin(self) -> None:
        """Get ready for the coming step."""
        if self.watching:
            self._recorder.attach()

    def observe(self, loss: Tensor) -> None:
        """Read the graph of a loss before its backward pass; the first one of a step counts."""
        if not self.watching or self._observed or not isinstance(loss, Tensor) or loss.grad_fn is None:
            return
        self._observed = True
        inputs = dict(named_tensors(self.batch)) if self.batch is not None else self._inputs
        self.batch = None
        self._recorder.observe([loss], inputs)
        self._loss = loss.detach()
        if self._first is None:
            self._detached = seen_detached(self._recorder, inputs)

    def step(self, loss: Tensor | float | None = None) -> None:
        """Call it after ``backward`` and before ``optimizer.step``: the step is measured and judged.

        Args:
            loss: of this step; a scalar.
        """
        try:
            if self.watching:
                self._measure(loss)
            elif self._trial is not None and not self._trial.settled:
                self._note_trial(self._norms(self._trial.names))
        except Exception as error:  # a monitor must not end the training that it watches
            self._recorder.failures.setdefault(f"step {self.index}", f"{type(error).__name__}: {error}")
            logger.warning("step %d could not be measured: %s: %s", self.index, type(error).__name__, error)
        self._observed = False
        self.index += 1
        if self.watching:
            self._recorder.attach()
        else:
            self._recorder.detach()

    @property
    def report(self) -> Report:
        """What is known so far."""
        if self._report is None:
            self._report = diagnose(self.recording, self.settings)
        return self._report

    @property
    def recording(self) -> Recording:
        """The numbers so far: the first step, and the last ones."""
        steps = (() if self._first is None else (self._first,)) + tuple(self._later)
        recorder = self._recorder
        note = describe_optimizers(self.optimizers) if self.optimizers else "SGD(lr=0.01) (none given)"
        return recorder.recording(steps).model_copy(
            update={
                "adaptive": is_adaptive(self.optimizers),
                "optimizer": note,
                "probation": self._trial.result() if self._trial is not None and self._trial.needed else None,
                "detached": self._detached,
                "unused": tuple(l.name for l in unreached(recorder.layers) if l.name not in self._detached)
                if recorder.flow is not None
                else (),
                "notes": (
                    f"optimizer: {note}",
                    f"activations and their gradients: samples of at most {recorder.most} elements",
                ),
            }
        )

    def close(self) -> None:
        """Take every hook away; the report stays."""
        self._recorder.detach()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._inputs.clear()
        self.alerts.close()

    def _before_forward(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if self.watching and not self._observed:
            self._inputs = dict(named_tensors((args, kwargs)))

    def _after_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self.watching or self._observed or torch._C._current_graph_task_id() != -1:
            return
        self._observed = True
        self._recorder.observe_output(output, self._inputs)
        if self._first is None:
            self._detached = seen_detached(self._recorder, self._inputs)
        self._inputs = {}

    def _measure(self, loss: Tensor | float | None) -> None:
        recorder = self._recorder
        if isinstance(loss, Tensor):
            recorder.observe_loss(loss)
        loss, self._loss = self._loss if loss is None else loss, None
        gradients = {name: p.grad for name, p in recorder.naming.parameters.items()}
        norms = self._norms(gradients)
        value = float(loss.detach() if isinstance(loss, Tensor) else loss) if loss is not None else None
        step = recorder.step(self.index, value, gradients, norms)
        if self._first is None:
            self._first = step
            self._trial = Trial(recorder.naming, recorder.layers, norms)
        else:
            self._later.append(step)
            self._note_trial(norms)
        self._report = None
        if self._worth_judging(step):
            self.alerts.judged(self.recording, self.report, self.index)
        self.alerts.measured(lambda: self.recording, step)

    def _worth_judging(self, step: Step) -> bool:
        """At the first step, when the probation ends, and when something is not finite."""
        if step is self._first:
            return True
        return (self._trial is not None and self._trial.just_settled) or step.broken

    def _norms(self, wanted: Iterable[str]) -> dict[str, float]:
        """Gradient norms, with the loss scale taken out."""
        parameters = self._recorder.naming.parameters
        norms = gradient_norms({name: parameters[name].grad for name in wanted if name in parameters})
        scale = self._loss_scale()
        return norms if scale == 1.0 else {name: norm / scale for name, norm in norms.items()}

    def _loss_scale(self) -> float:
        """By how much gradients are too large now; 1 once the scaler has unscaled them."""
        if self.scaler is None or not self.scaler.is_enabled():
            return 1.0
        stages = self.scaler._per_optimizer_states
        unscaled = any(state["stage"].name == "UNSCALED" for state in stages.values())
        return 1.0 if unscaled else float(self.scaler.get_scale())

    def _note_trial(self, norms: Mapping[str, float]) -> None:
        """The last optimizer step counts for the probation if it moved anything."""
        if self._trial is None or self._trial.settled:
            return
        scale = float(self.scaler.get_scale()) if self.scaler is not None and self.scaler.is_enabled() else None
        skipped = scale is not None and self._scale is not None and scale < self._scale
        self._scale = scale
        idle = bool(self.optimizers) and not any(g.get("lr", 1.0) for o in self.optimizers for g in o.param_groups)
        if not skipped and not idle:
            self._trial.note(norms)


def watch(
    model: nn.Module,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    scaler: Any = None,
    writer: Any = None,
    settings: Settings | None = None,
) -> Monitor:
    """Watch the early steps of a training loop.

    ::

        with inithealth.watch(model, optimizer=optimizer) as monitor:
            for batch in loader:
                loss = ...
                loss.backward()
                monitor.step(loss)
                optimizer.step()
        print(monitor.report)

    Args:
        model: called as a whole once a step, or wrapped for several processes.
        optimizer: for what its learning rate and kind imply; several in a list.
        scaler: a ``torch.amp.GradScaler`` whose scale is taken out of the gradients.
        writer: a ``torch.utils.tensorboard.SummaryWriter``.
        settings: schedule, rules, options.
    """
    return Monitor(model, optimizer=optimizer, scaler=scaler, writer=writer, settings=settings)
