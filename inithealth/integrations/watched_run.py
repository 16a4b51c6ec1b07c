"""The monitor of one run of a Trainer, with the Trainer's optimizers, loggers and processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from inithealth.findings import Finding
from inithealth.integrations.lightning_loggers import MetricsSink
from inithealth.recording import Recording
from inithealth.sessions.lightning_module import is_tensorboard
from inithealth.sessions.monitor import Monitor
from inithealth.sessions.saved_recording import unpacked
from inithealth.settings import Settings


def monitor_of(
    trainer: Any,
    model: Any,
    settings: Settings,
    on_alert: Callable[[Finding], None] | None,
    resumed: tuple[int, Recording | None],
    *,
    verbose: bool,
) -> Monitor:
    """Return the monitor of a run.

    Args:
        resumed: number of the steps before this run, and their recording.

    Raises:
        ValueError: there is nothing to watch.
    """
    rank_zero = trainer.is_global_zero
    monitor = Monitor(
        model,
        optimizer=list(trainer.optimizers),
        scaler=getattr(trainer.precision_plugin, "scaler", None),
        settings=settings,
        on_alert=on_alert if rank_zero else None,
        steps_taken=resumed[0],
        history=resumed[1],
        together=trainer.world_size > 1,
        verbose=verbose,
    )
    monitor.alerts.quiet = not rank_zero
    for each in trainer.loggers if rank_zero else ():
        monitor.alerts.safely(_add, monitor, each)
    return monitor


def earlier_steps(trainer: Any, state: Mapping[str, Any]) -> tuple[int, Recording | None]:
    """Return the number of steps before this run, and their recording; None without one.

    Args:
        state: of the callback in the checkpoint from which the run continues.
    """
    if trainer.global_step == 0:
        return 0, None
    try:
        return int(state["index"]), unpacked(state["recording"])
    except (KeyError, ValueError, TypeError):  # saved without the callback, or by another version of it
        return trainer.global_step, None


def has_another(trainer: Any, callback: Any) -> bool:
    """Return whether a Trainer has another callback of the same class."""
    return any(isinstance(each, type(callback)) and each is not callback for each in trainer.callbacks)


def _add(monitor: Monitor, logger: Any) -> None:
    if is_tensorboard(logger):
        monitor.alerts.add_writer(logger.experiment)
    else:
        monitor.alerts.sinks.append(MetricsSink(logger, monitor))
