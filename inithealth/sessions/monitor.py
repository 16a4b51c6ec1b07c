"""Samples the early steps of any training loop at a small cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.call import Call
from inithealth.console.log import Log
from inithealth.findings import Finding, Report
from inithealth.record.live.picklable_hook import call_hooks
from inithealth.record.sandbox.batches import trainable_model
from inithealth.record.step_meter import StepMeter
from inithealth.recording import Recording, Step
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.history import History
from inithealth.sessions.step_order import StepOrder
from inithealth.sessions.verdicts import Verdicts
from inithealth.settings import Settings, settings_of

_OF_THE_START = ("IH1", "IH2", "IH3", "IH401")  # codes of the rules that judge an initialization


class Monitor:
    """Watches a model's steps: hooks and gradients on scheduled steps, nothing on the others.

    Use :func:`watch`, or the :class:`inithealth.InitHealth` callback. Never raises in the training loop: the report
    lists what could not be measured.

    Args:
        model, optimizer, scaler, writer, settings: see :func:`watch`.
        on_alert: called with each new cause.
        steps_taken: optimizer steps before this run; if there are any, the initialization is not judged.
        history: the :attr:`recording` of the run that this one continues; its verdict is kept.
        together: whether every process of a distributed run watches; then statistics are of the whole batch.
        verbose: False logs nothing.

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: there is nothing to watch (no parameters, all frozen, lazy or meta), or an unknown setting.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        scaler: Any = None,
        writer: Any = None,
        settings: Settings | Mapping[str, Any] | None = None,
        on_alert: Callable[[Finding], None] | None = None,
        steps_taken: int = 0,
        history: Recording | None = None,
        together: bool = False,
        verbose: bool = True,
    ) -> None:
        self.settings = settings_of(settings)
        self.model, self._outer = trainable_model(model), model
        self.optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer or ())
        self.scaler, self.index = scaler, steps_taken
        self.batch: Any = None  # of the next step, if no forward pass of the whole model shows it
        self.alerts = Alerts(writer, on_alert, Log(verbose=verbose))
        self._meter = StepMeter(model, self.optimizers, scaler, self.settings.sample_bytes, together=together)
        self._recorder = self._meter.recorder
        self._history = History(self._recorder, self.optimizers, steps_taken, history, together=together)
        self.alerts.resumed = self._history.resumed > 0
        if self.alerts.resumed:  # the initialization of these weights is unknown
            self.settings = self.settings.model_copy(update={"ignore": (*self.settings.ignore, *_OF_THE_START)})
        self._verdicts = Verdicts(self._history, self.settings, self.alerts)
        self._handles: list[Any] = []
        self._next: Optimizer | None = None
        over = self.settings.over(steps_taken)
        self._order = StepOrder(self._recorder, self._verdicts.discard, self.alerts.log, over)

    def __enter__(self) -> Monitor:
        self._handles += call_hooks(self._outer, self._before_forward, self._after_forward)
        self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def watching(self) -> bool:
        """Whether the next step is measured."""
        return self.settings.watches(self.index) or self._meter.losses.since is not None

    def take_news(self) -> bool:
        """Return whether the findings have changed since the last call."""
        return self._verdicts.take_news()

    @property
    def recorded(self) -> bool:
        """Whether any step was measured."""
        return bool(self._history)

    @property
    def waiting(self) -> bool:
        """Whether suspects are still on probation, which lasts longer than a short schedule."""
        return self._history.waiting

    @property
    def report(self) -> Report:
        """The report of the steps so far."""
        return self._verdicts.report

    @property
    def recording(self) -> Recording:
        """The statistics so far: the first steps, and the last ones."""
        return self._history.recording

    def begin(self) -> None:
        """Prepare for the next step: discard what ran since the last one."""
        self._meter.prepare(watching=self.watching)

    def pause(self, paused: bool) -> None:
        """Pause or resume the measurements, for evaluations that are not part of the training."""
        self._recorder.paused = paused

    def observe(self, loss: Tensor | float | None) -> None:
        """Read the graph of a loss before its backward pass; only the first one of a step counts."""
        if self.watching and not self._meter.observed and isinstance(loss, Tensor) and loss.grad_fn is not None:
            self._observe(self._meter.observe, loss)

    def step(self, loss: Tensor | float | None = None, *, optimizer: Optimizer | None = None) -> None:
        """Measure and judge the step. Call it after ``backward`` and before ``optimizer.step``.

        Args:
            loss: the loss of this step; a scalar.
            optimizer: the optimizer that steps next, if there are several.
        """
        self._next = optimizer
        self._order.stepped()
        self._guarded(lambda: self._verdicts.updated(self._meter.after_update()))
        if self.watching and self._guarded(self._meter.overflowed, loss):  # the scaler skips this step
            self._meter.observed = False
            self.begin()
            return
        self._guarded(self._take, loss)
        self.index += 1
        self._meter.ended()
        self.batch = None
        if self.watching:
            self.begin()
        elif self.settings.finished(self.index):
            self._recorder.close()
        else:
            self._recorder.detach()

    def close(self) -> None:
        """Remove every hook. The report remains available."""
        self._order.closed()
        self._recorder.close()
        while self._handles:
            self._handles.pop().remove()
        self._meter.ended()
        self.batch = None
        self._verdicts.close()

    def _guarded(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return call(*args)
        except Exception as error:  # a monitor must not end the training that it watches
            self._recorder.note(f"step {self.index}", error)
            self._verdicts.discard()
            self.alerts.log.warning(f"step {self.index} could not be measured: {type(error).__name__}: {error}")
            return None

    def _take(self, loss: Tensor | float | None) -> None:
        history = self._history
        if not self.watching:
            if not history.kept.broken:  # only the first broken step is localized
                self._meter.losses.add(self.index, loss)
            if history.trial is not None and history.waiting:
                self._verdicts.discard()
                norms = self._meter.norms(history.trial.names)
                if history.try_on(norms, skipped=self._meter.skipped()):
                    self._verdicts.judge(self.index)
            return
        self._guarded(self.observe, loss)  # for a model whose forward pass was not seen as a whole
        measured = self._guarded(lambda: self._meter.measured(self.index, loss, first=not self._history))
        step, norms = measured or (None, {})
        # All processes must reach this point, whatever each could measure.
        if self.settings.watches(self.index):
            step = self._meter.joined(step, norms, history.weights)
        if step is not None:
            self._note(step)

    def _before_forward(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._recorder.paused = not torch.is_grad_enabled()  # an evaluation is not part of the training
        self._order.forward(training=module.training and not self._recorder.paused)
        if self.watching and not self._meter.observed and not self._recorder.paused:
            self.begin()
            self._meter.take_batch(Call(*args, **kwargs))

    def _after_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        if self.watching and not self._meter.observed and not self._recorder.paused:
            self._observe(self._meter.observe_output, output)
        self._recorder.paused = False

    def _observe(self, read: Callable[[Any], None], what: Any) -> None:
        if self.batch is not None:
            self._meter.take_batch(self.batch)
        read(what)
        if not self._history:
            self._history.detached = self._meter.detached_layers()

    def _note(self, step: Step) -> None:
        """Process a measured step."""
        self._verdicts.discard()
        news = self._history.add(step, skipped=self._meter.skipped())
        if news or step.broken or (self._history.kept.due and self._verdicts.steps_have_changed()):
            self._verdicts.judge(self.index)
        self._verdicts.measured(step)
        if self._history.kept.update_due:
            self._meter.before_update(self._next)
