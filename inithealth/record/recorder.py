"""What is recorded when: module outputs as they appear, the graph before the backward pass, gradients in it.

Nothing here changes the run: hooks return None, catch their own errors, and the failure is told instead.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from inithealth.record.layers.describe import layers_of
from inithealth.record.layers.names import flattened
from inithealth.record.layers.naming import Naming
from inithealth.record.layers.overwritten_weights import lost_writes
from inithealth.record.layers.source import sources
from inithealth.record.live.compiled_hooks import CompiledTaps
from inithealth.record.live.hooks import ModuleHooks
from inithealth.record.live.observer import Observer
from inithealth.record.live.readings import Place, Readings
from inithealth.record.live.step_buffer import Failures, StepBuffer
from inithealth.record.saved import losses, unit_activity
from inithealth.record.statistics.gradients import repeated_gradients
from inithealth.record.statistics.sample import scaled
from inithealth.record.tensors import floating_tensors
from inithealth.recording import Layer, Measurement, Recording, Signal, Step
from inithealth.theory.gains import wanted_std
from inithealth.theory.recipes import MATRICES
from inithealth.theory.schemes import with_schemes

_MOST_SAMPLE = 512  # elements of one sample: an rms is known to +-3 %, a share of 1 % to +-0.4 %
_FIRST_STEP = 32  # times more at the first step, which the verdict on the initialization rests on
_FEWEST_SAMPLE = 64


class Recorder:
    """Records one step at a time from a live model.

    Args:
        model: the unwrapped model.
        exact: measure every element at once; else take samples and measure them together at the end.
        sample_bytes: most memory all samples of a step take.
        compiled: names of modules whose hooks are compiled into them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        exact: bool,
        sample_bytes: int = 16 * 2**20,
        compiled: Collection[str] = (),
    ) -> None:
        self.model, self.exact, self.compiled = model, exact, compiled
        self.naming = Naming(model)
        self.failures = Failures()
        self.layers: tuple[Layer, ...] = ()
        self.observer = Observer(self.naming, self.failures, exact=exact)
        self._spreads: dict[int, float] = {}
        self._lost: dict[str, float] = {}
        self.failures.guard("weights that are made anew", self._note_lost)
        if flattened(model):
            self.failures["weights, their gradients and what the layers put out"] = (
                "FullyShardedDataParallel holds weights in flat pieces; those of fully_shard are measured"
            )
        # An output and a gradient of four bytes an element for every layer share the budget.
        self._budget = sample_bytes // (2 * 4 * max(1, len(self.naming.parameters)))
        self._steps = 0  # recorded so far
        self.hooks = ModuleHooks(
            self.naming, self.failures, self._next(), exact=exact, compiled=compiled, names=self.observer.names
        )
        modules = self.naming.modules
        self._taps = CompiledTaps(((name, modules[name]) for name in compiled if modules[name]._parameters), self.most)

    def _note_lost(self) -> None:
        self._lost = lost_writes(self.model, self.naming.parameters)

    def _next(self) -> StepBuffer:
        readings = Readings(None if self.exact else self.most)
        return StepBuffer(readings, first=not self.layers, graph_wanted=self.observer.graph_due(self._steps))

    def reset(self) -> None:
        """Forget what was measured: the next step starts."""
        self.hooks.buffer = self._next()
        self._taps.forget()

    @property
    def buffer(self) -> StepBuffer:
        """What the running step has shown."""
        return self.hooks.buffer

    @property
    def most(self) -> int:
        """Elements of one sample in this step."""
        wanted = _MOST_SAMPLE if self.layers else _MOST_SAMPLE * _FIRST_STEP
        return max(_FEWEST_SAMPLE, min(wanted, self._budget))

    @property
    def graph(self) -> bool:
        """Whether an autograd graph could be read."""
        return self.observer.flow is not None

    def attach(self) -> None:
        """Hook every module that owns parameters, unless they are hooked already."""
        self.hooks.attach()

    def prepare(self) -> None:
        """Put the hooks in place that have to be there before the first call, whenever it is that they are read."""
        self._taps.attach()

    def detach(self) -> None:
        """Take the hooks away until the next :meth:`attach`; those that are compiled in stay."""
        self.hooks.detach()
        self.buffer.produced.clear()

    def close(self) -> None:
        """Take every hook away."""
        self.detach()
        self._taps.detach()

    def observe(self, roots: Sequence[Tensor], inputs: Mapping[str, Tensor]) -> None:
        """Read the graph behind some tensors, before their backward pass.

        Args:
            inputs: floating tensors of the batch by name.
        """
        nodes = [t.grad_fn for t in roots if t.grad_fn is not None]
        if nodes and self.observer.graph_due(self._steps):
            self.failures.guard("autograd graph", self.observer.observe, nodes, inputs, self.buffer, self._steps)
        if not self.layers:
            self.failures.guard("weights", self._describe_layers)
        self.buffer.produced.clear()  # holds nodes alive, as the graph does
        if self.observer.flow is not None:
            self.observer.flow.graph.release()

    def observe_output(self, output: Any, inputs: Mapping[str, Tensor]) -> None:
        """The same from a model's output, where the loss is not known yet."""
        tensors = list(floating_tensors(output))
        if not self.layers:
            self.failures.guard("spread of the outputs", self._spread, tensors)
        self.observe(tensors, inputs)

    def _spread(self, outputs: list[Tensor]) -> None:
        self._spreads = losses.spreads(outputs)

    def observe_loss(self, loss: Tensor) -> None:
        """Which loss it is, told after the backward pass: the graph's shape is still there, its tensors are not."""
        if self.observer.loss.kind == "unknown" and loss.grad_fn is not None:
            self.observer.loss = losses.loss_after_backward(loss.grad_fn, self._spreads)

    def show_reached(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Layers whose weights have a gradient reach the loss, though a checkpoint or compiled code hides how."""
        hidden = {
            layer.name
            for layer in self.layers
            if layer.weight is not None and not layer.reaches_loss and gradients.get(layer.weight.name) is not None
        }
        if hidden and self.graph:
            why = "a checkpoint or compiled code hides the way to the loss: only the weights' gradients are measured"
            self.failures.setdefault(" ".join(sorted(hidden)), why)
            self.layers = tuple(
                layer.model_copy(update={"reaches_loss": True}) if layer.name in hidden else layer
                for layer in self.layers
            )

    def step(
        self,
        index: int,
        loss: float | None,
        gradients: Mapping[str, Tensor | None],
        norms: Mapping[str, float],
        loss_scale: float = 1.0,
    ) -> Step:
        """The step's numbers; starts the next step.

        Args:
            gradients: of the parameters, by name.
            norms: their L2 norms, with the loss scale taken out.
            loss_scale: by how much gradients at layer outputs were too large.
        """
        buffer = self.buffer
        self._taps.read(buffer.readings)
        weights = {layer.name: layer.weight.name for layer in self.layers if layer.weight is not None}
        repeats = repeated_gradients(self.layers, gradients) if self.exact else {}
        signals, units = buffer.readings.signals(self._layer_measured), unit_activity.summaries(buffer.units)
        first_step_stats = self._first_step_stats(buffer)
        measured = tuple(
            Measurement(
                layer=layer,
                input=self._with_between(layer, signals.get(("input", layer))),
                output=signals.get(("output", layer)),
                gradient=scaled(signals.get(("gradient", layer)), 1.0 / loss_scale),
                weight_gradient=norms.get(weights.get(layer, "")),
                gradient_duplicates=repeats.get(layer, 0.0),
                **units.get(layer, {}),
                **first_step_stats.get(layer, {}),
            )
            for layer in dict.fromkeys([*self.observer.layer_at.values(), *(layer for _, layer in signals), *weights])
        )
        self._steps += 1
        if buffer.first and self.hooks.left_out:
            self.hooks.detach()  # the next step takes fewer
        self.reset()
        total = math.sqrt(sum(norm**2 for norm in norms.values())) if norms else None
        return Step(index=index, loss=loss, layers=measured, global_gradient_norm=total, loss_scale=loss_scale)

    def recording(self, steps: tuple[Step, ...]) -> Recording:
        """All that was recorded of the model."""
        flow = self.observer.flow
        return Recording(
            model=type(self.model).__name__,
            layers=self.layers,
            steps=steps,
            inputs=self.observer.network_inputs,
            loss=self.observer.loss,
            lost_writes=self._lost,
            normalized=bool(flow.norms) if flow else any(layer.kind == "norm" for layer in self.layers),
            differentiated=flow is not None and any(name.endswith("Backward") for name in flow.graph.names),
            trunk_normalized=flow is not None and flow.trunk_normalized,
            branches=flow.branches if flow is not None else 0,
            layer_scale=any(_damps(layer) for layer in self.layers),
            exact=self.exact,
            graph=self.graph,
            not_measured=tuple(f"{what}: {why}" for what, why in {**self._unseen(), **self.failures}.items()),
        )

    def _unseen(self) -> dict[str, str]:
        """Layers of which neither the graph nor a hook shows what they put out."""
        flow = self.observer.flow
        at = {layer.split(" (as")[0] for layer in self.observer.layer_at.values()}
        hidden = [layer for layer in self.layers if layer.module in self.compiled and layer.name not in at]
        found = {}
        for shown, what in ((True, "the gradient at its output, and what it feeds,"), (False, "all but its weights")):
            layers = [layer.name for layer in hidden if (layer.module in self._taps.shown) is shown]
            if layers:
                why = "" if shown else " since before it was watched"
                found[layers[0]] = f"{what} can't be seen: it runs compiled{why}, as {len(layers)} of the layers do"
        if hidden:
            found["the place of compiled layers in the network"] = "inithealth.check(model, batch) runs them eagerly"
        if flow is not None and flow.graph.packed:
            found["tensors kept by a checkpoint or offloading"] = "reading them would run its forward pass again"
        names = {layer.name for layer in hidden}
        for name, node in (flow.unread if flow is not None else {}).items():
            if self.naming.layer(name) not in names:
                found.setdefault(self.naming.layer(name), f"{node} is no operation that is known here")
        return found

    def _describe_layers(self) -> None:
        called = {**self.buffer.called, **self._taps.called()}
        try:
            layers = layers_of(self.naming, self.observer.flow, called)
        except Exception as error:  # without a place in the flow a weight still has its numbers
            self.failures.note("flow", error)
            layers = layers_of(self.naming, None, called)
        self.describe(layers)

    def describe(self, layers: tuple[Layer, ...]) -> None:
        """Take these layers for the model's, and tell how each is initialized; nothing where they are known."""
        if layers is not self.layers:
            self.layers = layers
            self.failures.guard("schemes", self._name_schemes)
            self.failures.guard("source lines", self._point)

    def _point(self) -> None:
        # A parameter that is a layer has a line of its own; a tied one goes by the module that it is named with.
        names = {each.name: each.name if each.name in self.naming.parameters else each.module for each in self.layers}
        lines = sources(self.naming.modules, dict.fromkeys(names.values()))
        self.layers = tuple(each.model_copy(update={"source": lines.get(names[each.name])}) for each in self.layers)

    def _name_schemes(self) -> None:
        self.layers = tuple(
            layer.model_copy(update={"wants": wanted_std(layer)}) if layer.kind in MATRICES else layer
            for layer in with_schemes(self.layers)
        )

    def _first_step_stats(self, buffer: StepBuffer) -> dict[str, dict[str, Any]]:
        """By layer what was measured at the first step alone."""
        found = {layer: dict(numbers) for layer, numbers in buffer.first_step_stats.items()}
        for module, numbers in buffer.output_rank.items():
            layer = self._layer_measured(("module", module))
            if layer is not None:
                found.setdefault(layer, {}).update(numbers)
        return found

    def _with_between(self, layer: str, signal: Signal | None) -> Signal | None:
        between = self.observer.between.get(layer)
        return signal if signal is None or between is None else signal.model_copy(update={"between": between})

    def _layer_measured(self, place: Place) -> str | None:
        """The layer whose numbers these are; None for a module around several operations: its output is no layer's."""
        where, name = place
        if where == "layer":
            return name
        if name in self.observer.layer_of_module:
            return self.observer.layer_of_module[name]
        mine = [layer.name for layer in self.layers if layer.module == name]
        # Frozen and compiled modules are not in the graph: their calls are all that is seen of them.
        return None if any(layer in self.observer.layer_at.values() for layer in mine) else next(iter(mine), None)


def _damps(layer: Layer) -> bool:
    """A learned scale or branch end that starts near zero: what is behind it has small gradients by right."""
    if layer.weight is None or not layer.bypassable:
        return False
    if layer.kind in ("norm", "scale"):
        return layer.weight.abs_max < 0.5
    return layer.ends_branch and layer.weight.abs_max == 0.0
