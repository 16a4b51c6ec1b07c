"""Reads the autograd graph before the backward pass: the flow, and the layers without a module hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from torch import Tensor
from torch.autograd.graph import Node

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.failures import Failures
from inithealth.record.graph.consumers import Target
from inithealth.record.graph.distribution_parameters import one_sided_parameters
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.flow import Flow, flow_of
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation
from inithealth.record.graph.order import order
from inithealth.record.layers.inventory import WhenInMemory, at_once
from inithealth.record.layers.naming import Naming
from inithealth.record.layers.wrapper_prefixes import parameter_names
from inithealth.record.live import first_step_stats
from inithealth.record.live.guarded import Guard
from inithealth.record.live.hooks import node_hook
from inithealth.record.live.step_buffer import StepBuffer
from inithealth.record.live.zeros import Zeros
from inithealth.record.saved import decays, losses, operands, reopening, replay, unit_activity
from inithealth.record.saved.generated_weights import generated_weights
from inithealth.record.statistics.directions import effective
from inithealth.record.statistics.exact import exact
from inithealth.record.tensors import is_sharded
from inithealth.recording import Decay, GeneratedWeight, Loss, OneSidedParameter, Signal

_MOST_USES = 8  # uses of one layer whose output is recomputed
_MOST_ACTIVITY = 2**13  # elements of an activation that are read for its dead and saturated units
_FIRST_STEP = 32  # times more at the first step, on which the initialization is judged
_ROWS = 64  # samples of the batch for which outputs are recomputed
_UNITS_EVERY = 8  # recorded steps between two counts of dead and saturated units, which change slowly


class Observer:
    """Reads the graphs of one model, step by step."""

    def __init__(self, naming: Naming, failures: Failures, *, exact: bool) -> None:
        self.naming, self.failures, self.exact = naming, failures, exact
        self.guard = Guard(failures)  # of the hooks in the graph
        self.when_in_memory: WhenInMemory = at_once
        self.flow: Flow | None = None
        self.losses: tuple[Loss, ...] = (Loss(),)  # of the objective, the main one first
        self.network_inputs: dict[str, Signal] = {}
        self.one_sided: tuple[OneSidedParameter, ...] = ()
        self.constants: list[operands.Constant] = []  # operands without gradient
        self.layer_at: dict[int, str] = {}  # operation -> layer
        self.layer_of_module: dict[str, str] = {}  # the layer whose output is the module's output
        self.between: dict[str, float] = {}  # head -> share of its input that differs between samples
        self.names = parameter_names(naming.modules[""])
        self.decays: tuple[Decay, ...] = ()  # of recurrent states
        self.generated: tuple[GeneratedWeight, ...] = ()
        self.zeros = Zeros(naming.modules[""], exact=exact)
        self._shown: set[str] = set()  # layers whose output a hook has measured
        self._functional = True  # whether some layer's output is measured by no hook

    @property
    def loss(self) -> Loss:
        """The main loss."""
        return self.losses[0]

    def units_due(self, step: int) -> bool:
        """Return whether dead and saturated units are counted in that recorded step."""
        return step % _UNITS_EVERY == 0

    def graph_due(self, step: int) -> bool:
        """Return whether the graph is read in that step. In most networks the hooks measure all outputs without it."""
        return self._functional or self.units_due(step)

    def observe(self, roots: Sequence[Tensor], inputs: Mapping[str, Tensor], buffer: StepBuffer, step: int) -> None:
        """Read the graph of some tensors.

        Args:
            inputs: floating-point tensors of the batch by name; measured at the first step only.
        """
        if buffer.first:
            self._drop_freed()
        self.flow = flow = self._read([root.grad_fn for root in roots if root.grad_fn is not None])
        self.layer_at = self.naming.layers(flow)
        self._shown |= {self.layer_at[index] for index in self._matched(flow, buffer)}
        self._functional = not self._shown >= set(self.layer_at.values())
        uses: dict[str, int] = {}
        for index, layer in self.layer_at.items():
            uses[layer] = uses.get(layer, 0) + 1
            if layer not in self._shown:
                self.failures.guard(layer, self._operation, flow, index, layer, uses[layer], buffer)
            if buffer.first and uses[layer] == 1:
                predict = partial(self.failures.guard, layer, self._predict, flow, index, layer, buffer)
                self.when_in_memory(flow.graph.nodes[index], flow.operations[index].parameters, predict)
        for node, sources in flow.activations().items() if self.units_due(step) else ():
            self.failures.guard("activations", self._activation, flow, node, sources, buffer)
        if buffer.first:
            guard, stats = self.failures.guard, buffer.first_step_stats
            guard("attention", first_step_stats.attention, flow, self.layer_at, stats, self.failures)
            guard("tokens", first_step_stats.tokens, flow, self.layer_at, stats, self._rows)
            guard("sampling points", first_step_stats.sampling_points, flow, self.layer_at, stats)
            guard("phases", first_step_stats.phases_of_sines, flow, self.layer_at, stats, self.naming.parameters.get)
            self.failures.guard("decays", self._decays, flow)
            self.failures.guard("generated weights", self._generated, flow)
            self.failures.guard("loss", self._ends, flow, inputs)
            self.failures.guard("exact zeros", self._zeros, flow, roots)

    def _drop_freed(self) -> None:
        for number, name in self.naming.drop_freed().items():
            self.names.pop(number, None)
            self.failures.setdefault(name, "its memory is freed outside of the forward pass")

    def _read(self, roots: Sequence[Node]) -> Flow:
        """Return the flow of a graph; that of the previous step if the graph is the same."""
        ordered = order(roots)
        if self.flow is not None and self.flow.graph.matches(ordered):
            self.flow.graph.rebind(ordered)
            return self.flow
        return flow_of(Graph(ordered, self.names))

    def _matched(self, flow: Flow, buffer: StepBuffer) -> set[int]:
        """Return the operations whose output is a module's output, measured by the module's hook."""
        found = set()
        for node, module in buffer.produced.items():
            index = peel(flow.graph, flow.graph.index[node]) if node in flow.graph.index else -1
            layer = self.layer_at.get(index)
            if layer is None:
                continue
            owner = self.naming.module(self.naming.main(flow.operations[index]) or "")
            if module in (layer, owner):
                self.layer_of_module[module] = layer
                found.add(index)
        return found

    def _operation(self, flow: Flow, index: int, layer: str, use: int, buffer: StepBuffer) -> None:
        """Measure operations without a module hook: functional calls, attention's ``out_proj``."""
        # In an unrolled loop the last calls count: their hooks run first, and the gradients of earlier ones decay.
        flow.graph.nodes[index].register_prehook(node_hook(buffer.readings, layer, self.guard))
        if use > _MOST_USES or self._is_sharded(flow.operations[index]):
            return
        values = replay.forward(flow, index, self.naming.parameters.get, rows=self._rows)
        if values is None:
            return
        buffer.readings.take("output", ("layer", layer), values.output)
        if values.input is not None and (self.exact or buffer.first):
            buffer.readings.take("input", ("layer", layer), values.input)
        if buffer.first and use == 1:
            found = effective(values.output, 1 if flow.operations[index].kind == "conv" else -1)
            if found is not None:
                buffer.first_step_stats.setdefault(layer, {}).update(effective=found[0], width=found[1])

    def _is_sharded(self, operation: Operation) -> bool:
        """Return whether an operation has sharded parameters, so that it cannot be recomputed."""
        return any(is_sharded(self.naming.parameters[name]) for name in operation.parameters)

    def _predict(self, flow: Flow, index: int, layer: str, buffer: StepBuffer) -> None:
        if self._is_sharded(flow.operations[index]):
            return
        predicted = replay.predicted(flow, index, self.naming.parameters.get)
        if predicted is not None:
            buffer.first_step_stats.setdefault(layer, {})["predicted"] = predicted

    def _activation(self, flow: Flow, node: int, sources: Sequence[int], buffer: StepBuffer) -> None:
        layers = {self.layer_at[source]: flow.operations[source] for source in sources if source in self.layer_at}
        target = flow.activation(sources[0])
        if target is None or all(len(buffer.units.get(layer, ())) >= _MOST_USES for layer in layers):
            return
        most = None if self.exact else _MOST_ACTIVITY * _FIRST_STEP if buffer.first else _MOST_ACTIVITY
        found = unit_activity.of_node(flow.graph, target, layers.values(), most)
        if found is not None:
            for layer in layers:
                buffer.units.setdefault(layer, []).append(found)
            if buffer.first and len(sources) == len(layers) == 1 and unit_activity.mostly_dead(found):
                self._reopen(flow, target, sources[0], buffer)

    def _reopen(self, flow: Flow, target: Target, source: int, buffer: StepBuffer) -> None:
        """Record whether dead units would open without their bias; of several calls, the one with most units open."""
        if self._is_sharded(flow.operations[source]):
            return
        found = reopening.reopened(flow, target, source, self.naming.parameters.get, self._rows)
        known = buffer.first_step_stats.setdefault(self.layer_at[source], {})
        if found and known.get("dead_without_bias", 1.0) >= found["dead_without_bias"]:
            known.update(found)

    def _decays(self, flow: Flow) -> None:
        self.decays = decays.decays(flow, self.layer_at)

    def _generated(self, flow: Flow) -> None:
        self.generated = generated_weights(flow, self.layer_at, self.naming.parameters.get, self._rows)

    def _ends(self, flow: Flow, inputs: Mapping[str, Tensor]) -> None:
        """Record the loss, the input of the head, and the network's inputs, without those that only the loss reads."""
        self.losses = losses.losses_of(flow, self.layer_at, self._rows, self.naming.whole)
        self.one_sided = one_sided_parameters(flow, self.layer_at)
        self.constants = operands.constants(flow)
        for index, layer in self.layer_at.items():
            if flow.is_head(index) and flow.operations[index].kind not in ELEMENTWISE:
                share = operands.between_inputs(flow, index, self._rows)
                if share is not None:
                    self.between[layer] = share
        leaves, storages = flow.inputs(), {constant.storage for constant in self.constants}
        for name, tensor in inputs.items():
            read = id(tensor) in leaves if tensor.requires_grad else tensor.untyped_storage().data_ptr() in storages
            signal = exact(tensor) if read else None
            if signal is not None:
                self.network_inputs[name] = signal

    def _zeros(self, flow: Flow, roots: Sequence[Tensor]) -> None:
        broken = not all(bool(root.isfinite().all()) for root in roots)
        if broken or self.exact:
            self.zeros.find_singularity(flow, self.layer_at, broken=broken)
        self.zeros.find_factors(flow.graph, self.naming.trainable)

    @property
    def _rows(self) -> int | None:
        return None if self.exact else _ROWS
