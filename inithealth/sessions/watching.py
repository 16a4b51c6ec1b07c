"""``watch``: a monitor for a custom training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from inithealth.record.failures import described
from inithealth.sessions.monitor import Monitor
from inithealth.settings import Settings, settings_of


def watch(
    model: nn.Module,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    scaler: Any = None,
    writer: Any = None,
    settings: Settings | Mapping[str, Any] | None = None,
    verbose: bool = True,
    **options: Any,
) -> Monitor:
    """Watch the early steps of a training loop.

    ::

        with inithealth.watch(model, optimizer=optimizer) as monitor:
            for inputs, targets in loader:
                loss = torch.nn.functional.cross_entropy(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                monitor.step(loss)
                optimizer.step()
        print(monitor.report)

    Args:
        model: called once per step, possibly wrapped for distributed training. If only its submodules are
            called, call ``monitor.observe(loss)`` before ``backward``.
        optimizer: its type and learning rate affect the verdict; several in a list.
        scaler: a ``torch.amp.GradScaler``; the gradients are divided by its scale.
        writer: a ``torch.utils.tensorboard.SummaryWriter``.
        settings: schedule, rules, options; a mapping is validated.
        verbose: False prints and logs nothing.
        **options: settings as keywords, as in ``watch(model, schedule="every")``; they replace those of `settings`.

    Raises:
        TypeError, ValueError: as :class:`Monitor` does. After another error, the report says that nothing was measured.
    """
    chosen = settings_of(settings, options, also=("optimizer", "scaler", "writer", "settings", "verbose"))
    try:
        return Monitor(model, optimizer=optimizer, scaler=scaler, writer=writer, settings=chosen, verbose=verbose)
    except (TypeError, ValueError):
        raise
    except Exception as error:  # an unusual model must not keep its training from starting
        return _unwatched(model, chosen, error, verbose=verbose)


def _unwatched(model: nn.Module, settings: Settings, error: Exception, *, verbose: bool) -> Monitor:
    """Return a monitor that measures nothing and reports why."""
    stand_in = type(type(model).__name__, (nn.Linear,), {})(1, 1)
    monitor = Monitor(stand_in, settings=settings, verbose=verbose)
    monitor.failures.note("the model", error)
    monitor.alerts.log.warning(f"not watched: {described(error)}")
    return monitor
