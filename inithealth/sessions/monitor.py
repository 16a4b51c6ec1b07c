"""Samples the early steps of any training loop at a small cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.console.log import Log
from inithealth.findings import Finding, Report
from inithealth.record.failures import Failures, described
from inithealth.record.live import scripting
from inithealth.record.live.guarded import guarded
from inithealth.record.live.picklable_hook import call_hooks
from inithealth.record.sandbox.batches import trainable_model
from inithealth.record.step_meter import StepMeter
from inithealth.recording import Recording
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.forward_passes import ForwardPasses
from inithealth.sessions.history import History
from inithealth.sessions.step_order import StepOrder
from inithealth.sessions.verdicts import Verdicts, unjudged
from inithealth.sessions.watched_steps import WatchedSteps
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
        self.alerts = Alerts(writer, on_alert, Log(verbose=verbose))
        self._meter = StepMeter(model, self.optimizers, scaler, self.settings.sample_bytes, together=together)
        self._recorder, self._guard = self._meter.recorder, self._meter.recorder.guard
        self._guard.what, self._guard.leave, self._guard.log = f"step {self.index}", self._remove_hooks, self._log_error
        self._history = History(self._recorder, self.optimizers, steps_taken, history, together=together)
        self.alerts.resumed = self._history.resumed > 0
        if self.alerts.resumed:  # the initialization of these weights is unknown
            self.settings = self.settings.model_copy(update={"ignore": (*self.settings.ignore, *_OF_THE_START)})
        self._verdicts = Verdicts(self._history, self.settings, self.alerts)
        self._handles: list[Any] = []
        over = self.settings.over(steps_taken)
        self._order = StepOrder(self._recorder, self._verdicts.discard, self.alerts.log, over)
        self._steps = WatchedSteps(self._meter, self._history, self._verdicts, self._guard, self.settings.watches)
        self._passes = ForwardPasses(self._meter, self._history, self._order, lambda: self.watching)

    def __enter__(self) -> Monitor:
        self._enter()
        return self

    @guarded(None)
    def _enter(self) -> None:
        self._handles += call_hooks(self._guard, self._outer, self._passes.before, self._passes.after)
        self.begin()

    def __exit__(self, *error: object) -> None:
        self.close()
        self._remove_hooks()  # if an error kept `close` from it

    @property
    def watching(self) -> bool:
        """Whether the next step is measured."""
        return self._steps.watches(self.index)

    @guarded(False)
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
        found: Report | None = self._guard.run(lambda: self._verdicts.report, always=True)
        return found or unjudged(type(self.model).__name__, self.index, self.failures)

    @property
    def failures(self) -> Failures:
        """What could not be measured -> why."""
        return self._recorder.failures

    @property
    def recording(self) -> Recording:
        """The statistics so far: the first steps, and the last ones."""
        return self._history.recording

    @guarded(None)
    def begin(self) -> None:
        """Prepare for the next step: discard what ran since the last one."""
        scripting.hold(self._guard)
        self._meter.prepare(watching=self.watching)

    @guarded(None)
    def pause(self, paused: bool) -> None:
        """Pause or resume the measurements, for evaluations that are not part of the training."""
        self._recorder.paused = paused

    @guarded(None)
    def take_batch(self, batch: Any) -> None:
        """Keep the batch of the next step, if no forward pass of the whole model shows it."""
        self._passes.batch = batch

    @guarded(None)
    def observe(self, loss: Tensor | float | None) -> None:
        """Read the graph of a loss before its backward pass; only the first one of a step counts."""
        self._passes.observe(loss)

    @guarded(None)
    def step(self, loss: Tensor | float | None = None, *, optimizer: Optimizer | None = None) -> None:
        """Measure and judge the step. Call it after ``backward`` and before ``optimizer.step``.

        Args:
            loss: the loss of this step; a scalar.
            optimizer: the optimizer that steps next, if there are several.
        """
        if self._guard.attempt(self._measure, loss, optimizer, default=True):
            self.index += 1
            self._guard.what = f"step {self.index}"
        self._meter.ended()
        self._passes.batch = None
        if self.watching:
            self.begin()
        elif self.settings.finished(self.index):
            self._recorder.close()
        else:
            self._recorder.detach()

    def _measure(self, loss: Tensor | float | None, optimizer: Optimizer | None) -> bool:
        """Measure a step. Return whether it counts: False if the scaler skips it."""
        self._order.stepped()
        self._guard.attempt(self._steps.updated)
        if self.watching:
            if self._guard.attempt(self._meter.overflowed, loss):
                return False
            self._guard.attempt(self._passes.observe, loss)  # for a model whose forward pass was not seen as a whole
        self._steps.take(self.index, loss, optimizer)
        return True

    @guarded(None, always=True)
    def close(self) -> None:
        """Remove every hook. The report remains available."""
        self._remove_hooks()
        for end in (self._order.closed, self._meter.ended, self._verdicts.close):
            self._guard.run(end)
        self._passes.batch = None

    @guarded(None, always=True)
    def _remove_hooks(self) -> None:
        while self._handles:
            self._handles.pop().remove()
        self._recorder.close()
        scripting.release(self._guard)

    def _log_error(self, what: str, error: BaseException) -> None:
        self._verdicts.discard()
        if not self.alerts.quiet:
            self.alerts.safely(self.alerts.log.warning, f"{what} could not be measured or judged: {described(error)}")
