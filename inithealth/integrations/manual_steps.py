"""The loss of a step, and the steps of optimizers that Lightning does not wrap: its hooks show only part of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from inithealth.sessions.monitor import Monitor


class StepLoss:
    """The loss of the next step as the module returned it; None: no backward pass so far."""

    def __init__(self) -> None:
        self.value: Tensor | None = None

    def take(self, loss: Tensor, monitor: Monitor, accumulated: int) -> None:
        """Keep the loss of a backward pass, and let the monitor read the first one of a step."""
        if not monitor.watching:  # only whether the losses are finite matters
            summed = loss.detach().sum()
            self.value = summed if self.value is None else self.value + summed
        elif self.value is None:
            monitor.observe(loss)
            # Lightning has divided it by the number of accumulated batches, and multiplied it by the loss scale.
            scale = monitor.scaler.get_scale() if monitor.scaler is not None else 1.0
            self.value = loss.detach() * (accumulated / scale)

    def pop(self) -> Tensor | None:
        found, self.value = self.value, None
        return found


def note_unseen(monitor: Monitor) -> str:
    """Return what to do if a training ended without a step that was seen, and put it into the report; "" otherwise."""
    if monitor.recorded or monitor.failures or not monitor.watching:
        return ""
    why = "no step of an optimizer was seen: call step() of what self.optimizers() returns"
    monitor.failures["the training"] = why
    return f"nothing was measured: {why}"


class PlainSteps:
    """Calls a function before the steps that a module with manual optimization makes by the plain optimizers.

    Lightning announces a step to its callbacks only if the module calls ``step`` of the optimizer that Lightning wraps.

    Args:
        before: called with the plain optimizer. It calls :meth:`announced` for each step, as Lightning's hook does.
    """

    def __init__(self, trainer: Any, model: Any, before: Callable[[Any], None]) -> None:
        self._before, self._announced = before, None
        hooked = () if model.automatic_optimization else trainer.optimizers
        plain = [each for each in hooked if isinstance(each, Optimizer)]
        self._handles = [each.register_step_pre_hook(self._starts) for each in plain]
        self._handles += [each.register_step_post_hook(self._ended) for each in plain]

    def announced(self, optimizer: Any) -> None:
        """Note that Lightning announced the next step of this optimizer."""
        self._announced = optimizer

    def _starts(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        # Lightning announces a step in the closure that it passes, or, with a loss scaler, before the step.
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None and self._announced is not optimizer:
            self._before(optimizer)

    def _ended(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self._announced = None

    def close(self) -> None:
        """Remove the hooks from the optimizers."""
        while self._handles:
            self._handles.pop().remove()
