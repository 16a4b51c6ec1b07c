"""``watch``: a monitor for a custom training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

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
        TypeError, ValueError: as :class:`Monitor` does.
    """
    chosen = settings_of(settings, options, also=("optimizer", "scaler", "writer", "settings", "verbose"))
    return Monitor(model, optimizer=optimizer, scaler=scaler, writer=writer, settings=chosen, verbose=verbose)
