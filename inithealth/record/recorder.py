"""What is recorded when: module outputs as they appear, the autograd graph before the backward pass, gradients in it.

Nothing here changes the run: hooks return None, catch their own errors, and the failure is told instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from inithealth.record import activity, replay
from inithealth.record.flow import Flow, flow_of
from inithealth.record.gradients import repeated_gradients
from inithealth.record.graph import Graph, order
from inithealth.record.layers import layers_of
from inithealth.record.names import parameter_names
from inithealth.record.naming import Naming
from inithealth.record.paths import peel
from inithealth.record.readings import Place, Readings
from inithealth.record.sample import exact, floating_tensors, scaled
from inithealth.recording import Layer, Loss, Measurement, Recording, Signal, Step

_MOST_USES = 8  # uses of one layer whose output is computed again
_MOST_SAMPLE = 512  # elements of one sample: an rms is known to +-3 %, a share of 1 % to +-0.4 %
_MOST_ACTIVITY = 2**13  # elements of an activation that its dead and saturated units are counted on
_UNITS_EVERY = 8  # recorded steps between two counts of dead and saturated units, that change slowly
_FIRST_STEP = 32  # times more at the first step, which the verdict on the initialization rests on
_FEWEST_SAMPLE = 64
_ROWS = 64  # rows of the batch that replayed operations are sampled from


class Recorder:
    """Records one step at a time from a live model.

    Args:
        model: the unwrapped model.
        exact: measure every element at once; else take samples and measure them together at the end.
        sample_bytes: most memory all samples of a step take.
        compiled: names of modules that are left without hooks, which would be compiled into them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        exact: bool,
        sample_bytes: int = 16 * 2**20,
        compiled: Collection[str] = (),
    ) -> None:
        self.model = model
        self.exact = exact
        self.naming = Naming(model)
        self.flow: Flow | None = None
        self.loss = Loss()
        self.layers: tuple[Layer, ...] = ()
        self.network_inputs: dict[str, Signal] = {}
        self.constants: list[replay.Constant] = []  # what operations read that takes no gradient
        self.layer_at: dict[int, str] = {}  # operation -> layer
        self.between: dict[str, float] = {}  # head -> share of its input that differs between samples
        self.failures: dict[str, str] = {}
        self._names = parameter_names(model)
        self.layer_of_module: dict[str, str] = {}  # the layer whose output a module's is
        self._spreads: dict[int, float] = {}
        # An output and a gradient of four bytes an element for every layer share the budget.
        self._budget = sample_bytes // (2 * 4 * max(1, len(self._names)))
        self._handles: list[Any] = []
        self.compiled = compiled
        self._steps = 0  # recorded so far
        self._functional = True  # some layer's output is seen by no hook
        self.paused = False  # while what runs is no part of the training
        self.reset()

    def reset(self) -> None:
        """Forget what was measured: the next step starts."""
        self.readings = Readings(None if self.exact else self.most)
        self.units: dict[str, list[activity.Activity]] = {}
        self.output_places: dict[str, int] = {}  # module -> address of its last output
        self.called: dict[str, None] = {}  # modules in the order of their first call
        self._produced: dict[Node, str] = {}  # grad_fn of a module's output -> module

    @property
    def most(self) -> int:
        """Elements of one sample in this step."""
        wanted = _MOST_SAMPLE if self.layers else _MOST_SAMPLE * _FIRST_STEP
        return max(_FEWEST_SAMPLE, min(wanted, self._budget))

    def attach(self) -> None:
        """Hook every module that owns parameters, unless they are hooked already."""
        if self._handles:
            return
        for name, module in self.naming.modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                self.failures[name or "model"] = "scripted modules take no hooks"
            elif name in self.compiled or ".parametrizations." in f".{name}.":
                continue  # the latter compute weights, and are no layers
            elif module._parameters or hasattr(module, "parametrizations"):
                self._handles.append(module.register_forward_hook(self._forward_hook(name)))

    def detach(self) -> None:
        """Take every hook away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._produced.clear()

    def observe(self, roots: Sequence[Tensor], inputs: Mapping[str, Tensor]) -> None:
        """Read the graph behind some tensors, before their backward pass.

        Args:
            inputs: floating tensors of the batch by name.
        """
        nodes = [t.grad_fn for t in roots if t.grad_fn is not None]
        first = not self.layers
        if nodes and self._graph_due:
            self._guarded("autograd graph", self._observe_graph, nodes, inputs if first else None)
        if first:
            self._guarded("weights", self._describe_layers)
        self._produced.clear()  # holds nodes alive, as the graph does
        if self.flow is not None:
            self.flow.graph.release()

    @property
    def _units_due(self) -> bool:
        """Whether units are counted in this step: at the first, and then now and again."""
        return self._steps % _UNITS_EVERY == 0

    @property
    def _graph_due(self) -> bool:
        """Whether the graph is read in this step: hooks alone see every layer's output in most networks."""
        return self._functional or self._units_due

    def observe_output(self, output: Any, inputs: Mapping[str, Tensor]) -> None:
        """The same from a model's output, where the loss is not known yet."""
        tensors = list(floating_tensors(output))
        if not self.layers:
            self._guarded("spread of the outputs", self._spread, tensors)
        self.observe(tensors, inputs)

    def _spread(self, outputs: list[Tensor]) -> None:
        self._spreads = replay.spreads(outputs)

    def show_reached(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Layers whose weights have a gradient reach the loss, though a checkpoint or compiled code hides how."""
        hidden = [
            layer
            for layer in self.layers
            if layer.weight is not None and not layer.reaches_loss and gradients.get(layer.weight.name) is not None
        ]
        if hidden and self.flow is not None:
            names = {layer.name for layer in hidden}
            why = "a checkpoint or compiled code hides the way to the loss: only the weights' gradients are measured"
            self.failures.setdefault(" ".join(sorted(names)), why)
            self.layers = tuple(
                layer.model_copy(update={"reaches_loss": True}) if layer.name in names else layer
                for layer in self.layers
            )

    def observe_loss(self, loss: Tensor) -> None:
        """Which loss it is, told after the backward pass: the graph's shape is still there, its tensors are not."""
        if self.loss.kind == "unknown" and loss.grad_fn is not None:
            self.loss = replay.loss_after_backward(loss.grad_fn, self._spreads)

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
        weights = {layer.name: layer.weight.name for layer in self.layers if layer.weight is not None}
        repeats = repeated_gradients(self.layers, gradients) if self.exact else {}
        signals, units = self.readings.signals(self._layer_measured), activity.summaries(self.units)
        measured = tuple(
            Measurement.model_construct(  # numbers of our own: validating them would cost more than measuring
                layer=layer,
                input=self._with_between(layer, signals.get(("input", layer))),
                output=signals.get(("output", layer)),
                gradient=scaled(signals.get(("gradient", layer)), 1.0 / loss_scale),
                weight_gradient=norms.get(weights.get(layer, "")),
                gradient_duplicates=repeats.get(layer, 0.0),
                **units.get(layer, {}),
            )
            for layer in dict.fromkeys([*self.layer_at.values(), *(layer for _, layer in signals), *weights])
        )
        self._steps += 1
        self.reset()
        total = math.sqrt(sum(norm**2 for norm in norms.values())) if norms else None
        return Step.model_construct(index=index, loss=loss, layers=measured, global_gradient_norm=total)

    def recording(self, steps: tuple[Step, ...]) -> Recording:
        """All that was recorded of the model."""
        return Recording(
            model=type(self.model).__name__,
            layers=self.layers,
            steps=steps,
            inputs=self.network_inputs,
            loss=self.loss,
            normalized=bool(self.flow.norms) if self.flow else any(layer.kind == "norm" for layer in self.layers),
            layer_scale=any(_damps(layer) for layer in self.layers),
            exact=self.exact,
            graph=self.flow is not None,
            not_measured=tuple(f"{what}: {why}" for what, why in {**self.failures, **self._unseen()}.items()),
        )

    def _unseen(self) -> dict[str, str]:
        """Layers of which neither the graph nor a hook shows what they put out."""
        seen = {layer.split(" (as")[0] for layer in self.layer_at.values()}
        hidden = [layer.name for layer in self.layers if layer.module in self.compiled and layer.name not in seen]
        found = (
            {hidden[0]: f"it runs compiled, as {len(hidden)} layers do: only weights are measured"} if hidden else {}
        )
        if self.flow is not None and self.flow.graph.packed:
            found["tensors kept by a checkpoint or offloading"] = "reading them would run its forward pass again"
        for name, node in (self.flow.unread if self.flow is not None else {}).items():
            found.setdefault(self.naming.layer(name), f"{node} is no operation that is known here")
        return found

    def _forward_hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            # Inside a backward pass this is a checkpoint's second run of the same forward.
            if self.paused or torch._C._current_graph_task_id() != -1:
                return
            try:
                self._record_call(name, args, output)
            except Exception as error:
                self._failed(name, error)

        return hook

    def _record_call(self, name: str, args: Any, output: Any) -> None:
        self.called[name] = None
        place: Place = ("module", name)
        # In a training step every call counts: a plain tensor is what nearly every module returns.
        plain = type(output) is Tensor and output.is_floating_point()
        tensors = [output] if plain else list(floating_tensors(output))
        filled = next((tensor for tensor in tensors if tensor.numel()), None)
        if filled is None:
            self.failures.setdefault(name, f"its output holds {'empty' if tensors else 'no'} floating tensors")
        else:
            self.readings.take("output", place, filled)
            if not self.layers and filled.layout is torch.strided:
                self.output_places[name] = filled.data_ptr()
        for tensor in list(floating_tensors(args))[:1] if self.exact else ():
            self.readings.take("input", place, tensor)
        for tensor in tensors:
            if tensor.requires_grad:
                tensor.register_hook(self._gradient_hook(place))
                if self._graph_due and tensor.grad_fn is not None:
                    self._produced[tensor.grad_fn] = name

    def _gradient_hook(self, place: Place) -> Callable[[Tensor], None]:
        take = self.readings.take  # the hook outlives no step

        def hook(gradient: Tensor) -> None:
            try:
                take("gradient", place, gradient)
            except Exception as error:
                self._failed(place[1], error)

        return hook

    def _node_hook(self, layer: str) -> Callable[[tuple[Tensor | None, ...]], None]:
        hook = self._gradient_hook(("layer", layer))

        def node_hook(gradients: tuple[Tensor | None, ...]) -> None:
            if gradients[0] is not None:
                hook(gradients[0])

        return node_hook

    def _observe_graph(self, nodes: Sequence[Node], inputs: Mapping[str, Tensor] | None) -> None:
        self.flow = flow = self._read(nodes)
        self.layer_at = self.naming.layers(flow)
        seen = {self.layer_at[index] for index in self._matched(flow)}
        self._functional = not seen >= set(self.layer_at.values())
        uses: dict[str, int] = {}
        for index, layer in self.layer_at.items():
            if layer not in seen:
                uses[layer] = uses.get(layer, 0) + 1
                self._guarded(layer, self._observe_operation, flow, index, layer, uses[layer])
        for node, sources in flow.activations().items() if self._units_due else ():
            self._guarded("activations", self._observe_activation, flow, node, sources)
        if inputs is not None:
            self._guarded("loss", self._observe_ends, flow, inputs)

    def _read(self, roots: Sequence[Node]) -> Flow:
        """The flow of a graph; that of the step before where the graph is the same."""
        ordered = order(roots)
        if self.flow is not None and self.flow.graph.matches(ordered):
            self.flow.graph.rebind(ordered)
            return self.flow
        return flow_of(Graph(ordered, self._names))

    def _matched(self, flow: Flow) -> set[int]:
        """The operations whose output is a module's output: the module's hook has measured them."""
        found = set()
        for node, module in self._produced.items():
            index = peel(flow.graph, flow.graph.index[node]) if node in flow.graph.index else -1
            layer = self.layer_at.get(index)
            if layer is None:
                continue
            owner = self.naming.module(self.naming.main(flow.operations[index]) or "")
            if module in (layer, owner):
                self.layer_of_module[module] = layer
                found.add(index)
        return found

    def _observe_operation(self, flow: Flow, index: int, layer: str, use: int) -> None:
        """Measure what no hook saw: functional calls, attention's ``out_proj``."""
        # Of an unrolled loop the last calls count: they fire first, and the earlier ones fade by right.
        flow.graph.nodes[index].register_prehook(self._node_hook(layer))
        if use > _MOST_USES:
            return
        values = replay.forward(flow, index, self.naming.parameters.get, rows=None if self.exact else _ROWS)
        if values is None:
            return
        self.readings.take("output", ("layer", layer), values.output)
        if values.input is not None and self.exact:
            self.readings.take("input", ("layer", layer), values.input)

    def _observe_activation(self, flow: Flow, node: int, sources: Sequence[int]) -> None:
        layers = {self.layer_at[source]: flow.operations[source] for source in sources if source in self.layer_at}
        target = flow.activation(sources[0])
        if target is None or all(len(self.units.get(layer, ())) >= _MOST_USES for layer in layers):
            return
        most = None if self.exact else _MOST_ACTIVITY if self.layers else _MOST_ACTIVITY * _FIRST_STEP
        found = activity.of_node(flow.graph, node, target.name, layers.values(), most)
        if found is not None:
            for layer in layers:
                self.units.setdefault(layer, []).append(found)

    def _observe_ends(self, flow: Flow, inputs: Mapping[str, Tensor]) -> None:
        """The loss; what the head reads; the network's inputs: what operations read, not what only the loss does."""
        rows = None if self.exact else _ROWS
        self.loss = replay.loss_of(flow, rows)
        self.constants = replay.constants(flow)
        for index, layer in self.layer_at.items():
            if flow.is_head(index) and flow.operations[index].kind not in ("norm", "scale"):
                share = replay.between_inputs(flow, index, rows)
                if share is not None:
                    self.between[layer] = share
        leaves, storages = flow.inputs(), {constant.storage for constant in self.constants}
        for name, tensor in inputs.items():
            read = id(tensor) in leaves if tensor.requires_grad else tensor.untyped_storage().data_ptr() in storages
            signal = exact(tensor) if read else None
            if signal is not None:
                self.network_inputs[name] = signal

    def _describe_layers(self) -> None:
        try:
            self.layers = layers_of(self.naming, self.flow, self.called)
        except Exception as error:  # without a place in the flow a weight still has its numbers
            self._failed("flow", error)
            self.layers = layers_of(self.naming, None, self.called)

    def _with_between(self, layer: str, signal: Signal | None) -> Signal | None:
        if signal is None or layer not in self.between:
            return signal
        return signal.model_copy(update={"between": self.between[layer]})

    def _layer_measured(self, place: Place) -> str | None:
        """The layer whose numbers these are; None for a module around several operations: its output is no layer's."""
        where, name = place
        if where == "layer":
            return name
        if name in self.layer_of_module:
            return self.layer_of_module[name]
        mine = [layer.name for layer in self.layers if layer.module == name]
        # Frozen and compiled modules are not in the graph: their calls are all that is seen of them.
        return None if any(layer in self.layer_at.values() for layer in mine) else next(iter(mine), None)

    def _guarded(self, what: str, call: Callable[..., None], *args: Any) -> None:
        """An unforeseen graph must not end the run: what is missing is told."""
        try:
            call(*args)
        except Exception as error:
            self._failed(what, error)

    def _failed(self, what: str, error: Exception) -> None:
        self.failures.setdefault(what or "model", f"{type(error).__name__}: {error}")


def _damps(layer: Layer) -> bool:
    """A learned scale or branch end that starts near zero: what is behind it has small gradients by right."""
    if layer.weight is None or not layer.bypassable:
        return False
    if layer.kind in ("norm", "scale"):
        return layer.weight.abs_max < 0.5
    return layer.ends_branch and layer.weight.abs_max == 0.0
