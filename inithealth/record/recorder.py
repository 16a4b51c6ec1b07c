"""The entry point of all measurements of one model: its layers once, its statistics step by step.

Nothing here changes the run: hooks return None, and their errors are recorded and reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from inithealth.record.failures import Failures, lines
from inithealth.record.layers.inventory import Inventory, at_once
from inithealth.record.layers.wrapper_prefixes import compiled_modules, unwrapped
from inithealth.record.live.compiled_hooks import CompiledTaps
from inithealth.record.live.hooks import ModuleHooks
from inithealth.record.live.measurements import Measurements
from inithealth.record.live.not_measured import not_measured
from inithealth.record.live.observer import Observer
from inithealth.record.live.readings import Readings
from inithealth.record.live.sample_budget import sample_size
from inithealth.record.live.step_buffer import StepBuffer
from inithealth.record.network import Network, network_of
from inithealth.record.sandbox.reachability import detached_by_constants
from inithealth.record.sandbox.unseen_layers import filled
from inithealth.record.saved import losses
from inithealth.record.statistics.gradients import gradient_norms, repeated_gradients
from inithealth.record.tensors import floating_tensors
from inithealth.recording import Layer, Step


class Recorder:
    """Records one step at a time from a live model.

    Args:
        model: the model, with or without its wrappers (compile, data parallel).
        exact: measure every element immediately; otherwise take samples and measure them at the end of the step.
        sample_bytes: memory limit for all samples of a step.
    """

    def __init__(self, model: nn.Module, *, exact: bool, sample_bytes: int = 16 * 2**20) -> None:
        self.model, self.exact = unwrapped(model), exact
        self.failures = Failures()  # without what the layers and the graph show
        self.inventory = Inventory(self.model, self.failures)
        self.naming = self.inventory.naming  # of the model's modules and parameters
        self._compiled = frozenset() if exact else compiled_modules(model)  # a check runs them eagerly
        self.observer = Observer(self.naming, self.failures, exact=exact)
        self._logit_stds: dict[int, float] = {}  # of the first output, by number of classes
        self._sample_bytes, self._steps = sample_bytes, 0  # steps recorded so far
        self.hooks = ModuleHooks(
            self.naming, self.failures, self._next(), exact=exact, compiled=self._compiled, names=self.observer.names
        )
        self.observer.guard = self.guard = self.hooks.guard
        modules = [(name, self.naming.modules[name]) for name in self._compiled if name in self.naming.modules]
        self._taps = CompiledTaps([each for each in modules if each[1]._parameters], self.most)

    def _next(self) -> StepBuffer:
        readings = Readings(None if self.exact else self.most)
        return StepBuffer(readings, first=not self.layers, graph_wanted=self.observer.graph_due(self._steps))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers; empty before the first step."""
        return self.inventory.layers

    def resume(self, layers: tuple[Layer, ...]) -> None:
        """Continue with the layers of an earlier run of the same model; with none, describe them again."""
        self.inventory.layers = layers

    @property
    def most(self) -> int:
        """Number of elements of one sample in this step."""
        return sample_size(self._sample_bytes, len(self.naming.parameters), first=not self.layers)

    @property
    def nbytes(self) -> int:
        """Bytes used by the samples of this step."""
        return self.hooks.buffer.readings.nbytes

    @property
    def graph(self) -> bool:
        """Whether an autograd graph could be read."""
        return self.observer.flow is not None

    @property
    def network(self) -> Network:
        return network_of(self.model, self.inventory, self.observer, self.hooks.writes.found)

    @property
    def layers_left_out(self) -> int:
        """Number of modules whose outputs are measured at the first step only."""
        return self.hooks.left_out

    @property
    def not_measured(self) -> tuple[str, ...]:
        """What could not be measured, and why: ``"what: why"``."""
        compiled = [layer for layer in self.layers if layer.module in self._compiled]
        observer = self.observer
        found = not_measured(compiled, self._taps.shown, observer.layer_at.values(), observer.flow, self.naming)
        return lines({**found, **self.failures})

    def note(self, what: str, why: str | Exception) -> None:
        """Report something as not measured; the first reason is kept."""
        if isinstance(why, Exception):
            self.failures.note(what, why)
        else:
            self.failures.setdefault(what, why)

    @property
    def paused(self) -> bool:
        """Whether hooks are paused, for forward passes that are not part of the training."""
        return self.hooks.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self.hooks.paused = paused

    def prepare(self) -> None:
        """Attach the hooks that must be attached before the first call of compiled modules."""
        self._taps.attach()

    def attach(self) -> None:
        """Attach hooks to every module that owns parameters, unless they are attached already."""
        self.hooks.attach()

    def detach(self) -> None:
        """Remove the hooks until the next :meth:`attach`, except those in compiled modules."""
        self.hooks.detach()
        self.hooks.buffer.produced.clear()

    def close(self) -> None:
        """Remove every hook."""
        self.detach()
        self._taps.detach()

    def reset(self) -> None:
        """Discard the measurements and start the next step."""
        self.hooks.buffer = self._next()
        self._taps.forget()

    def observe(self, roots: Sequence[Tensor], inputs: Mapping[str, Tensor]) -> None:
        """Read the graph of some tensors, before their backward pass.

        Args:
            inputs: floating-point tensors of the batch by name.
        """
        observer, buffer = self.observer, self.hooks.buffer
        produced = [root for root in roots if root.grad_fn is not None]
        if produced and observer.graph_due(self._steps):
            self.failures.guard("autograd graph", observer.observe, produced, inputs, buffer, self._steps)
        if not self.layers:
            self.failures.guard("writes of the forward pass", self.hooks.writes.compare, observer.flow)
            called = buffer.called | self._taps.called()
            self.failures.guard("weights", self.inventory.find, observer.flow, called, observer.when_in_memory)
        buffer.produced.clear()  # it keeps nodes alive, as the graph does
        if observer.flow is not None and observer.when_in_memory is at_once:
            observer.flow.graph.release()

    def observe_output(self, output: Any, inputs: Mapping[str, Tensor]) -> None:
        """Read the graph of a model's output, if the loss is not known yet."""
        tensors = list(floating_tensors(output))
        if not self.layers:
            self.failures.guard("spread of the outputs", lambda: self._logit_stds.update(losses.logit_stds(tensors)))
        self.observe(tensors, inputs)

    def observe_loss(self, loss: Tensor) -> None:
        """Determine the kind of loss after the backward pass, when the graph exists but its saved tensors are freed."""
        if self.observer.loss.kind == "unknown" and loss.grad_fn is not None:
            self.observer.losses = (losses.loss_after_backward(loss.grad_fn, self._logit_stds),)

    def detached_layers(self, inputs: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Return the called layers whose values affect the loss but that get no gradient, without running the model."""
        places = self.hooks.buffer.output_places
        called = [each for each in self.layers if each.module in places or each.module in self._compiled]
        return detached_by_constants(called, places, self.observer.constants, inputs) if self.graph else ()

    def show_reached(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Mark the layers whose weights have a gradient as reaching the loss, which the graph may not show."""
        if self.graph:
            self.inventory.show_reached(gradients)

    def step(
        self,
        index: int,
        loss: float | None,
        gradients: Mapping[str, Tensor | None],
        norms: Mapping[str, float],
        loss_scale: float = 1.0,
        repeats: Mapping[str, float] | None = None,
    ) -> Step:
        """Return the measurements of the step and start the next step.

        Args:
            gradients: of the parameters, by name.
            norms: their L2 norms, without the loss scale.
            loss_scale: factor by which gradients at layer outputs are too large.
            repeats: for layers without a gradient here.
        """
        buffer = self.hooks.buffer
        self._taps.read(buffer.readings)
        repeats = {**(repeated_gradients(self.layers, gradients) if self.exact else {}), **(repeats or {})}
        measured = Measurements(self.layers, self.observer).of(buffer, norms, repeats, loss_scale)
        self._steps += 1
        if buffer.first and self.layers_left_out:
            self.hooks.detach()  # the next step hooks fewer modules
        self.reset()
        total = math.hypot(*norms.values()) if norms else None
        return Step(index=index, loss=loss, layers=measured, global_gradient_norm=total, loss_scale=loss_scale)

    norms = staticmethod(gradient_norms)

    def fill_unseen(self, step: Step, run: Callable[[], Any]) -> Step:
        """Return the step with layers seen neither in the graph nor by hooks, which ``run``, a forward pass, shows."""
        layers, step = filled(self.layers, step, run, self.naming.parameters)
        self.inventory.describe(layers)
        return step
