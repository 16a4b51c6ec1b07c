"""Measures and judges the steps of a watched run, each at the call of ``monitor.step``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.optim import Optimizer

from inithealth.record.live.guarded import Guard
from inithealth.record.step_meter import StepMeter
from inithealth.recording import Step
from inithealth.sessions.history import History
from inithealth.sessions.verdicts import Verdicts

Loss = Tensor | float | None


class WatchedSteps:
    """Takes one step after the other.

    Args:
        meter: measures the steps.
        history: keeps them.
        verdicts: judges them.
        guard: of the run.
        scheduled: returns whether the schedule includes a step; then every process measures it.
    """

    def __init__(
        self,
        meter: StepMeter,
        history: History,
        verdicts: Verdicts,
        guard: Guard,
        scheduled: Callable[[int], bool],
    ) -> None:
        self._meter, self._history, self._verdicts, self._guard = meter, history, verdicts, guard
        self._scheduled = scheduled

    def watches(self, index: int) -> bool:
        """Return whether a step is measured."""
        return self._scheduled(index) or self._meter.losses.since is not None

    def updated(self) -> None:
        """Measure what the last optimizer step changed."""
        self._verdicts.updated(self._meter.after_update())

    def take(self, index: int, loss: Loss, optimizer: Optimizer | None) -> None:
        """Measure and judge a step."""
        if not self.watches(index):
            self._check(index, loss)
            return
        measured = self._guard.attempt(partial(self._meter.measured, index, loss, first=not self._history))
        step, norms = measured or (None, {})
        # All processes must reach this point, whatever each could measure.
        if self._scheduled(index):
            step = self._meter.joined(step, norms, self._history.weights)
        if step is not None:
            self._note(step, optimizer)

    def _check(self, index: int, loss: Loss) -> None:
        """Check the loss of a step that is not measured, and the gradients of the suspects."""
        history = self._history
        if not history.kept.broken:  # only the first broken step is localized
            self._meter.losses.add(index, loss)
        if history.trial is not None and history.waiting:
            self._verdicts.discard()
            norms = self._meter.norms(history.trial.names)
            if history.try_on(norms, skipped=self._meter.skipped()):
                self._verdicts.judge(index)

    def _note(self, step: Step, optimizer: Optimizer | None) -> None:
        """Process a measured step."""
        self._verdicts.discard()
        news = self._history.add(step, skipped=self._meter.skipped())
        if news or step.broken or (self._history.kept.due and self._verdicts.steps_have_changed()):
            self._verdicts.judge(step.index)
        self._verdicts.measured(step)
        if self._history.kept.update_due:
            self._meter.before_update(optimizer)
