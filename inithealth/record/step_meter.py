"""Measures the steps of a live training: gradients, updates, loss scale, combined over all processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from inithealth.record.live.distributed import Ranks
from inithealth.record.live.loss_monitor import LossMonitor
from inithealth.record.live.loss_scale import LossScale, Overflows
from inithealth.record.live.updates import Updates
from inithealth.record.recorder import Recorder
from inithealth.record.sandbox.batches import named_tensors
from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.gradients import gradient_norms
from inithealth.record.tensors import is_sharded
from inithealth.recording import Signal, Step, Update

Loss = Tensor | float | None


class StepMeter:
    """Measures the optimizer steps of one model, each after its backward pass.

    Args:
        model: the model with its wrappers.
        optimizers: the optimizers of the training, if they are known.
        scaler: a ``torch.amp.GradScaler`` or None.
        sample_bytes: memory limit for the samples of a step.
        together: whether all processes of a distributed training measure the same steps.
    """

    def __init__(
        self, model: nn.Module, optimizers: Sequence[Optimizer], scaler: Any, sample_bytes: int, *, together: bool
    ) -> None:
        self.recorder = Recorder(model, exact=False, sample_bytes=sample_bytes)
        self.observed = False  # whether the graph of the current step has been read
        self.losses = LossMonitor()  # of the steps that are not measured
        self._inputs: dict[str, Tensor] = {}
        self._scaler = scaler
        self._loss_scale, self._overflows = LossScale(scaler), Overflows()
        naming = self.recorder.naming
        self._updates = Updates(naming.parameters, optimizers)
        self._ranks = Ranks(
            together=together,
            layers=[naming.layer(name) for name in naming.parameters],
            sharded=[name for name, parameter in naming.parameters.items() if is_sharded(parameter)],
            device=next(self.recorder.model.parameters()).device,
        )

    def prepare(self, *, watching: bool) -> None:
        """Prepare for the next step: discard what was measured since the last one."""
        self.recorder.prepare()
        if watching and not self.observed:
            self.recorder.reset()
            self.recorder.attach()

    def restart(self, *, first: bool) -> None:
        """Discard the graph that was read for the next step.

        Args:
            first: whether no step has been measured.
        """
        self.observed = False
        if first:
            self.recorder.resume(())

    def take_batch(self, batch: Any) -> None:
        """Keep the floating-point tensors of the next step's batch until its graph is read."""
        self._inputs = dict(named_tensors(batch))

    def observe_output(self, output: Any) -> None:
        """Read the graph of a model's output, before the backward pass."""
        self.observed = True
        self.recorder.observe_output(output, self._inputs)

    def observe(self, loss: Tensor) -> None:
        """Read the graph of a loss, before or after the backward pass."""
        self.observed = True
        self.recorder.observe([loss], self._inputs)

    def detached_layers(self) -> tuple[str, ...]:
        """Return the layers whose values affect the loss but that get no gradient."""
        return self.recorder.detached_layers(self._inputs)

    def overflowed(self, loss: Loss) -> bool:
        """Return whether the gradients overflow because of the loss scale, so that the scaler will skip the step."""
        if self._scaler is None:
            return False
        return self._overflows.note(number(loss), self.norms(self.recorder.naming.parameters).values())

    def skipped(self) -> bool:
        """Return whether the scaler skipped the last optimizer step. Call it once per step."""
        return self._loss_scale.skipped()

    def measured(self, index: int, loss: Loss, *, first: bool) -> tuple[Step, dict[str, float]]:
        """Return the measurements of this process, and the gradient norms by parameter."""
        recorder = self.recorder
        if isinstance(loss, Tensor) and loss.grad_fn is not None:
            recorder.observe_loss(loss)
        gradients = {name: p.grad for name, p in recorder.naming.parameters.items()}
        norms = self.norms(gradients)
        if not any(gradient is not None for gradient in gradients.values()):
            recorder.note("gradients of the weights", "none after the backward pass: they are stored elsewhere")
        if first:
            recorder.show_reached(gradients)
        step = recorder.step(index, number(loss), gradients, norms, self._loss_scale.at_backward())
        since = self.losses.taken()
        if self._overflows.before or since is not None:
            step = step.model_copy(update={"overflows": self._overflows.before, "since": since})
        return (step.model_copy(update={"broken_inputs": self._broken_inputs()}) if step.broken else step), norms

    def joined(self, step: Step | None, norms: Mapping[str, float], weights: Mapping[str, str]) -> Step | None:
        """Return the step combined over all processes. Every process must call this once per watched step.

        Args:
            weights: the parameter of each layer.
        """
        return self._ranks.joined(step, norms, weights)

    def norms(self, names: Iterable[str]) -> dict[str, float]:
        """Return the gradients' L2 norms by parameter, without the loss scale."""
        parameters = self.recorder.naming.parameters
        norms = gradient_norms({name: parameters[name].grad for name in names if name in parameters})
        scale = self._loss_scale.now()
        return norms if scale == 1.0 else {name: norm / scale for name, norm in norms.items()}

    def before_update(self, optimizer: Optimizer | None) -> None:
        """Sample the weights right before an optimizer's step."""
        self._updates.before(self.recorder.layers, optimizer)

    def after_update(self) -> dict[str, Update]:
        """Return the changes by the last optimizer step, by layer; empty if nothing was sampled before it."""
        return self._updates.after()

    def ended(self) -> None:
        """End the step."""
        self.observed, self._inputs = False, {}

    def _broken_inputs(self) -> dict[str, Signal]:
        signals = {name: exact(tensor) for name, tensor in self._inputs.items()}
        return {name: signal for name, signal in signals.items() if signal is not None and signal.non_finite}


def number(loss: Loss) -> float | None:
    """Return the loss as a number; None without one, or with several."""
    if isinstance(loss, Tensor):
        return float(loss.detach()) if loss.numel() == 1 else None
    return None if loss is None else float(loss)
