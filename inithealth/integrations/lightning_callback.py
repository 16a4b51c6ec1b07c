"""``InitHealth``: adapts Lightning's hooks to a Monitor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from inithealth import environment
from inithealth.console.log import Log
from inithealth.findings import Finding, Report, UnhealthyInit
from inithealth.integrations import state_keys
from inithealth.integrations.copies import copied_state
from inithealth.integrations.manual_steps import PlainSteps, StepLoss, note_unseen
from inithealth.integrations.report_file import ReportFile
from inithealth.integrations.unhealthy_action import OnUnhealthy, UnhealthyAction
from inithealth.integrations.watched_run import earlier_steps, has_another, monitor_of
from inithealth.record.failures import Failures, described
from inithealth.record.live.guarded import Guard, guarded
from inithealth.sessions.lightning_module import callback_bases
from inithealth.sessions.monitor import Monitor
from inithealth.sessions.saved_recording import packed
from inithealth.sessions.verdicts import with_errors
from inithealth.settings import Settings, settings_of


class InitHealth(*callback_bases()):  # type: ignore[misc]
    """Watches the initialization and the early steps of a Lightning run.

    Step 0 is judged before the first optimizer step, so an error raised there leaves the weights unchanged. Works
    with any logger or none, in ``pytorch_lightning`` and ``lightning.pytorch``.

    Args:
        on_unhealthy: ``"warn"`` logs; ``"stop"`` ends the run after the current step, with exit status 0;
            ``"raise"`` raises :class:`inithealth.UnhealthyInit` on every rank; its last line is how to get the fixes.
        report_path: file for the report, as a page if it ends in .html, else as JSON; rewritten when it changes.
        on_alert: called with each new cause (a :class:`inithealth.Finding`), on rank 0.
        settings: schedule, rules, options; a mapping is validated.
        verbose: False prints and logs nothing; the report, its file and the loggers are complete, and ``"raise"``
            still raises.
        **options: settings as keywords, as in ``InitHealth(schedule="every")``.

    Raises:
        ValueError: an unknown ``on_unhealthy`` or setting.
    """

    def __init__(
        self,
        on_unhealthy: OnUnhealthy = "warn",
        report_path: str | Path | None = None,
        on_alert: Callable[[Finding], None] | None = None,
        settings: Settings | Mapping[str, Any] | None = None,
        verbose: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        if on_unhealthy not in ("warn", "stop", "raise"):
            raise ValueError(f'on_unhealthy must be "warn", "stop" or "raise", not {on_unhealthy!r}')
        self.on_unhealthy = on_unhealthy
        self.report_path = None if report_path is None else Path(report_path)
        self.on_alert = on_alert
        own = ("on_unhealthy", "report_path", "on_alert", "settings", "verbose")
        self.settings = settings_of(settings, options, also=own)
        self.verbose, self._log = verbose, Log(verbose=verbose)
        self._monitor: Monitor | None = None
        self._report: Report | None = None
        self._loss = StepLoss()
        self._plain: PlainSteps | None = None  # of this run
        self._action: UnhealthyAction | None = None  # of this run
        self._file, self._writes = ReportFile(self.report_path, self._log), False
        self._state: dict[str, Any] = {}  # saved in checkpoints
        self._by_environment = False  # added by INITHEALTH=1, for trainers without the callback
        self._guard = Guard(Failures(), stops=(UnhealthyInit,))
        self._place = state_keys.next_place(self)

    def _log_error(self, what: str, error: BaseException) -> None:
        self._log.warning(f"{what or 'the callback'} failed; the training continues", exc_info=True)

    @classmethod
    def by_environment(cls) -> InitHealth:
        """Return a callback that does nothing if the trainer has another one."""
        made = cls()
        state_keys.used(made)
        made._by_environment, made._place = True, 1
        return made

    def __getstate__(self) -> dict[str, Any]:
        bare = {**self.__dict__, "_monitor": None, "_plain": None, "_action": None}
        return dict(self._guard.run(copied_state, (self.__dict__,), default=bare, always=True))

    @property
    def state_key(self) -> str:
        place = "" if self._place == 1 else f" {self._place}"
        return f"{type(self).__qualname__}{' by environment' if self._by_environment else ''}{place}"

    def state_dict(self) -> dict[str, Any]:
        """Return the recording so far, from which a resumed run continues: at most 100 kB and 200 bytes a layer."""
        self._keep_state()
        return dict(self._state)

    @guarded(None, always=True)
    def _keep_state(self) -> None:
        if self._monitor is not None:
            self._state = {"index": self._monitor.index, "recording": packed(self._monitor.recording)}

    @guarded(None, always=True)
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = dict(state_dict)

    @property
    def report(self) -> Report | None:
        """The latest report; None before the first step."""
        return self._guard.run(with_errors, (self._report, self._guard.failures), default=self._report, always=True)  # type: ignore[no-any-return]

    @guarded(None, always=True)
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._guard.failures, self._guard.log = Failures(), self._log_error
        state_keys.used(self)

    @guarded(None)
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if environment.disabled() or (self._by_environment and has_another(trainer, self)):
            return
        self._report, self._loss = None, StepLoss()
        self._action = UnhealthyAction(self.on_unhealthy, self.settings, self._log, self._file)
        resumed = earlier_steps(trainer, self._state)
        if over := self.settings.over(resumed[0]):  # no news after a checkpoint with the report of the first steps
            self._log.line(logging.INFO if self._state else logging.WARNING, over)
            return
        try:
            monitor = monitor_of(trainer, pl_module, self.settings, self.on_alert, resumed, verbose=self.verbose)
        except Exception as error:  # a model that cannot be judged can still be trained
            self._log.warning(f"not watched: {error if isinstance(error, ValueError) else described(error)}")
            if not isinstance(error, ValueError):
                self._guard.failures.note("the model", error)
            return
        self._monitor, monitor.alerts.raised_at = monitor, self._action.raises_at
        monitor.failures.add(self._guard.failures)
        self._guard.failures, self._guard.leave = monitor.failures, monitor.close
        monitor.begin()
        self._plain = PlainSteps(trainer, pl_module, partial(self.on_before_optimizer_step, trainer, pl_module))

    @guarded(None)
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self._monitor is not None and self._monitor.watching:
            self._monitor.begin()  # a validation or a skipped batch may have run since the last step
            self._monitor.take_batch(batch)

    @guarded(None)
    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        if self._monitor is not None:
            self._loss.take(loss, self._monitor, trainer.accumulate_grad_batches)

    @guarded(None)
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if self._plain is not None:
            self._plain.announced(optimizer)
        loss = self._loss.pop()
        # After a training_step that returned None there are no gradients to judge.
        if self._monitor is None or (loss is None and all(p.grad is None for p in pl_module.parameters())):
            return
        self._monitor.step(loss, optimizer=optimizer)
        self._judge(trainer, self._monitor)
        if self.settings.finished(self._monitor.index) and not self._monitor.waiting:
            self._close()

    @guarded(None)
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if self._monitor is not None:
            self._monitor.pause(True)

    @guarded(None)
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if self._monitor is not None:
            self._monitor.pause(False)

    @guarded(None, always=True)
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if self._monitor is not None and (unseen := note_unseen(self._monitor)):
            self._log.line(logging.WARNING, unseen)
        self._close()

    @guarded(None, always=True)
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._close()

    @guarded(None, always=True)
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._close()

    def _judge(self, trainer: Any, monitor: Monitor) -> None:
        """Update the report and act on it. All ranks decide the same; rank 0 writes before any rank raises."""
        if monitor.take_news():
            self._guard.run(self._update_report, (trainer.is_global_zero,), what="the report")
        if self._action is not None:
            self._action.take(trainer, monitor.index - 1, self._report)

    def _update_report(self, writes: bool) -> None:
        """Update the report, and write it if it changed."""
        before, self._writes = self._report, writes
        self._report = None if self._monitor is None else self._monitor.report
        if writes and self._report is not before and self._report is not None:
            self._file.write(self._report)

    def _close(self) -> None:
        self._keep_state()
        self._finish_report()
        plain, monitor, self._plain, self._monitor, self._guard.leave = self._plain, self._monitor, None, None, None
        if plain is not None:
            plain.close()
        if monitor is not None:
            monitor.close()
            self._report = monitor.report if self._report is not None and monitor.alerts.failures else self._report

    @guarded(None)
    def _finish_report(self) -> None:
        if self._monitor is not None and (self._monitor.recorded or self._monitor.failures):
            self._update_report(self._writes)
