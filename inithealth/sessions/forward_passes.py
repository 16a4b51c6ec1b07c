"""The forward passes of a watched model: which one belongs to the next step, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from inithealth.call import Call
from inithealth.record.step_meter import StepMeter
from inithealth.record.tensors import floating_tensors
from inithealth.sessions.history import History
from inithealth.sessions.step_order import StepOrder


class ForwardPasses:
    """Reads the first forward pass of each watched step; one in training mode replaces an evaluation with gradients.

    Args:
        meter: measures the steps.
        history: of the run.
        order: notes the passes.
        watching: returns whether the next step is measured.
    """

    def __init__(self, meter: StepMeter, history: History, order: StepOrder, watching: Callable[[], bool]) -> None:
        self.batch: Any = None  # of the next step, if no forward pass of the whole model shows it
        self._meter, self._history, self._order, self._watching = meter, history, order, watching
        self._in_training = False  # whether the pass that was read is one of the model in training mode

    def before(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Prepare for a forward pass of the whole model."""
        recorder = self._meter.recorder
        recorder.paused = not recorder.guard.grads  # an evaluation is not part of the training
        self._order.forward(training=module.training and not recorder.paused)
        if not self._watching() or recorder.paused:
            return
        if module.training and not self._in_training and self._meter.observed:
            self._meter.restart(first=not self._history)
        if not self._meter.observed:
            self._in_training = module.training
            self._meter.prepare(watching=True)
            self._meter.take_batch(Call(*args, **kwargs))

    def after(self, module: nn.Module, args: Any, output: Any) -> None:
        """Read the graph of the output."""
        due = self._watching() and not self._meter.observed and not self._meter.recorder.paused
        if due and any(tensor.requires_grad for tensor in floating_tensors(output)):
            self._read(self._meter.observe_output, output)
        self._meter.recorder.paused = False

    def observe(self, loss: Tensor | float | None) -> None:
        """Read the graph of a loss, if nothing was read in this step."""
        if self._watching() and not self._meter.observed and isinstance(loss, Tensor) and loss.grad_fn is not None:
            self._read(self._meter.observe, loss)

    def _read(self, read: Callable[[Any], None], what: Any) -> None:
        if self.batch is not None:
            self._meter.take_batch(self.batch)
        read(what)
        if not self._history:
            self._history.detached = self._meter.detached_layers()
