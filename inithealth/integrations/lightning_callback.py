"""``InitHealth``: adapts Lightning's hooks to a Monitor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from inithealth import environment
from inithealth.console.log import Log
from inithealth.findings import Finding, Report
from inithealth.integrations.copies import copied_state
from inithealth.integrations.lightning_loggers import MetricsSink
from inithealth.integrations.report_file import ReportFile
from inithealth.integrations.unhealthy_action import OnUnhealthy, UnhealthyAction
from inithealth.recording import Recording
from inithealth.sessions.lightning_module import callback_bases, is_tensorboard
from inithealth.sessions.monitor import Monitor
from inithealth.sessions.saved_recording import packed, unpacked
from inithealth.settings import Settings, settings_of


class InitHealth(*callback_bases()):  # type: ignore[misc]
    """Watches the initialization and the early steps of a Lightning run.

    Step 0 is judged before the first optimizer step, so an error raised there leaves the weights unchanged. Works
    with any logger or none, in ``pytorch_lightning`` and ``lightning.pytorch``.

    Args:
        on_unhealthy: ``"warn"`` logs; ``"stop"`` ends the run after the current step, with exit status 0;
            ``"raise"`` raises :class:`inithealth.UnhealthyInit` on every rank.
        report_path: file for the report: .json for data, .html or .htm for the page; rewritten when it changes.
        on_alert: called with each new cause (a :class:`inithealth.Finding`), on rank 0.
        settings: schedule, rules, options; a mapping is validated.
        verbose: False prints and logs nothing; the report, its file and the loggers are complete, and ``"raise"``
            still raises.
        **options: settings as keywords, as in ``InitHealth(schedule="every")``.

    Raises:
        ValueError: an unknown ``on_unhealthy`` or setting, or a ``report_path`` with another suffix.
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
        self._loss: Tensor | None = None  # of the coming step
        self._action: UnhealthyAction | None = None  # of this run
        self._file, self._writes = ReportFile(self.report_path, self._log), False
        self._state: dict[str, Any] = {}  # saved in checkpoints
        self._by_environment = False  # added by INITHEALTH=1, for trainers without the callback

    @classmethod
    def by_environment(cls) -> InitHealth:
        """Return a callback that does nothing if the trainer has another one."""
        made = cls()
        made._by_environment = True
        return made

    def __getstate__(self) -> dict[str, Any]:
        return copied_state(self.__dict__)

    @property
    def state_key(self) -> str:
        return f"{type(self).__qualname__}{' by environment' if self._by_environment else ''}"

    def state_dict(self) -> dict[str, Any]:
        """Return the recording so far, from which a resumed run continues: at most 100 kB and 200 bytes a layer."""
        if self._monitor is not None:
            with suppress(Exception):  # a failure here must not prevent the checkpoint
                self._state = {"index": self._monitor.index, "recording": packed(self._monitor.recording)}
        return dict(self._state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = dict(state_dict)

    @property
    def report(self) -> Report | None:
        """The latest report; None before the first step."""
        return self._report

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if environment.disabled() or self._is_redundant(trainer):
            return
        self._report, self._loss = None, None
        self._action = UnhealthyAction(self.on_unhealthy, self.settings, self._log)
        taken, history = self._resumed(trainer)
        if over := self.settings.over(taken):  # after a checkpoint with the report of the first steps it is no news
            self._log.line(logging.INFO if self._state else logging.WARNING, over)
            return
        rank_zero = trainer.is_global_zero
        try:
            self._monitor = Monitor(
                pl_module,
                optimizer=list(trainer.optimizers),
                scaler=getattr(trainer.precision_plugin, "scaler", None),
                settings=self.settings,
                on_alert=self.on_alert if rank_zero else None,
                steps_taken=taken,
                history=history,
                together=trainer.world_size > 1,
                verbose=self.verbose,
            )
        except ValueError as error:  # a model that cannot be judged can still be trained
            self._log.warning(f"not watched: {error}")
            return
        self._monitor.alerts.quiet = not rank_zero
        self._monitor.alerts.raised_at = self._action.raises_at
        for each in trainer.loggers if rank_zero else ():
            if is_tensorboard(each):
                self._monitor.alerts.add_writer(each.experiment)
            else:
                self._monitor.alerts.sinks.append(MetricsSink(each, self._monitor))
        self._monitor.begin()

    def _is_redundant(self, trainer: Any) -> bool:
        """Return whether it was added by the environment and the trainer has another one."""
        others = [each for each in trainer.callbacks if isinstance(each, InitHealth) and each is not self]
        return self._by_environment and bool(others)

    def _resumed(self, trainer: Any) -> tuple[int, Recording | None]:
        """Return the number of steps before this run, and their recording; None without one."""
        if trainer.global_step == 0:
            return 0, None
        try:
            return int(self._state["index"]), unpacked(self._state["recording"])
        except (KeyError, ValueError, TypeError):  # saved without this callback, or by another version of it
            return trainer.global_step, None

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self._monitor is not None and self._monitor.watching:
            self._monitor.begin()  # a validation or a skipped batch may have run since the last step
            self._monitor.batch = batch

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        if self._monitor is None:
            return
        if not self._monitor.watching:  # only whether the losses are finite matters
            self._loss = loss.detach() if self._loss is None else self._loss + loss.detach()
        elif self._loss is None:
            self._monitor.observe(loss)
            # Lightning has divided it by the number of accumulated batches, and multiplied it by the loss scale.
            scale = self._monitor.scaler.get_scale() if self._monitor.scaler is not None else 1.0
            self._loss = loss.detach() * (trainer.accumulate_grad_batches / scale)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        # After a training_step that returned None there are no gradients to judge.
        if self._monitor is None or (self._loss is None and all(p.grad is None for p in pl_module.parameters())):
            return
        self._monitor.step(self._loss, optimizer=optimizer)
        self._loss = None
        self._judge(trainer, self._monitor)
        if self.settings.finished(self._monitor.index) and not self._monitor.waiting:
            self._close()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if self._monitor is not None:
            self._monitor.pause(True)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if self._monitor is not None:
            self._monitor.pause(False)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._close()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._close()

    def _judge(self, trainer: Any, monitor: Monitor) -> None:
        """Update the report and act on it. All ranks decide the same; rank 0 writes before any rank raises."""
        if monitor.take_news():
            self._update_report(trainer.is_global_zero)
        if self._action is not None:
            self._action.take(trainer, monitor.index - 1, self._report)

    def _update_report(self, writes: bool) -> None:
        """Update the report, and write it if it changed."""
        before, self._report, self._writes = self._report, self._latest(), writes
        if writes and self._report is not before and self._report is not None:
            self._file.write(self._report)

    def _latest(self) -> Report | None:
        try:
            return None if self._monitor is None else self._monitor.report
        except Exception:  # an error in a third-party rule, for example, must not end the training
            self._log.warning("the report of this step could not be created", exc_info=True)
            return None

    def _close(self) -> None:
        self.state_dict()
        if self._monitor is not None and self._monitor.recorded:
            self._update_report(self._writes)
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.close()
