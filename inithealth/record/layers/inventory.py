"""The layers of one model: described once, updated by later steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from torch import Tensor, nn
from torch.autograd.graph import Node

from inithealth.record.failures import Failures
from inithealth.record.graph.flow import Flow
from inithealth.record.layers.describe import Outline, outlines
from inithealth.record.layers.naming import Naming
from inithealth.record.layers.overwritten_weights import lost_writes
from inithealth.record.layers.source import sources
from inithealth.record.layers.wrapper_prefixes import flattened
from inithealth.recording import Layer

WhenInMemory = Callable[[Node, Collection[str], Callable[[], None]], None]


def at_once(node: Node, parameters: Collection[str], call: Callable[[], None]) -> None:
    """Call a function that reads parameters, which are in memory."""
    call()


class Inventory:
    """The layers of one model, and their names.

    Args:
        model: the model without its wrappers.
        failures: records what could not be determined.
    """

    def __init__(self, model: nn.Module, failures: Failures) -> None:
        self.naming = Naming(model)
        self.layers: tuple[Layer, ...] = ()  # empty before the first step
        self._outlines: dict[int, Outline] = {}  # of the layers without statistics, by position
        self.lost_writes: dict[str, float] = {}  # parameter -> std written to the weight computed from it
        self._failures = failures
        if flattened(model):
            failures["weights, their gradients and the outputs of the layers"] = (
                "FullyShardedDataParallel flattens weights; use fully_shard for statistics of each layer"
            )
        failures.guard("overwritten weights", self._find_lost_writes, model)

    def _find_lost_writes(self, model: nn.Module) -> None:
        self.lost_writes = lost_writes(model, self.naming.parameters)

    def find(self, flow: Flow | None, called: Collection[str], when_in_memory: WhenInMemory = at_once) -> None:
        """Find the layers.

        Args:
            called: names of the modules that were called.
            when_in_memory: calls a function when its parameters are in memory, before the backward pass of a node.
        """
        try:
            found = outlines(self.naming, flow, called)
        except Exception as error:  # the statistics of the weights do not need the flow
            self._failures.note("flow", error)
            flow, found = None, outlines(self.naming, None, called)
        self.describe(tuple(each.layer for each in found))
        self._outlines = dict(enumerate(found))
        for place, outline in enumerate(found):
            if outline.use.computed or flow is None or outline.node is None:
                self._complete(place)
            else:
                complete = partial(self._complete, place)
                when_in_memory(flow.graph.nodes[outline.node], outline.use.parameters, complete)

    def of_parameter(self, name: str) -> list[Layer]:
        """Return the layers with that weight, with its statistics."""
        for place in [place for place, outline in self._outlines.items() if outline.use.parameter == name]:
            self._complete(place)
        return [layer for layer in self.layers if layer.parameter == name]

    def _complete(self, place: int) -> None:
        outline = self._outlines.pop(place, None)
        if outline is None:
            return
        try:
            found = outline.use.statistics()
        except Exception as error:
            self._failures.note(outline.layer.name, error)
            return
        layers = list(self.layers)
        layers[place] = layers[place].model_copy(update=found)
        self.layers = tuple(layers)

    def describe(self, layers: tuple[Layer, ...]) -> None:
        """Set the model's layers, with their source lines, if they differ from the present ones."""
        if layers is not self.layers:
            self.layers = layers
            self._failures.guard("source lines", self._point)

    def _point(self) -> None:
        # A parameter that is a layer has its own line; the line of a tied one is that of the module in its name.
        names = {each.name: each.name if each.name in self.naming.parameters else each.module for each in self.layers}
        lines = sources(self.naming.modules, dict.fromkeys(names.values()))
        self.layers = tuple(each.model_copy(update={"source": lines.get(names[each.name])}) for each in self.layers)

    def show_reached(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Mark the layers whose weights have a gradient as reaching the loss, which the graph may not show."""
        hidden = {
            layer.name for layer in self.layers if not layer.reaches_loss and gradients.get(layer.parameter) is not None
        }
        if hidden:
            why = "a checkpoint or compiled code hides the path to the loss: only the weights' gradients are measured"
            self._failures.setdefault(" ".join(sorted(hidden)), why)
            self.layers = tuple(
                layer.model_copy(update={"reaches_loss": True}) if layer.name in hidden else layer
                for layer in self.layers
            )
