"""The layers of one model as they are known so far: described once, corrected by what later steps show."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from inithealth.record.failures import Failures
from inithealth.record.graph.flow import Flow
from inithealth.record.layers.describe import layers_of
from inithealth.record.layers.names import flattened
from inithealth.record.layers.naming import Naming
from inithealth.record.layers.overwritten_weights import lost_writes
from inithealth.record.layers.source import sources
from inithealth.recording import Layer


class Inventory:
    """The layers, and the names behind them.

    Args:
        model: the model without its wrappers.
        failures: where is noted what could not be found out.
    """

    def __init__(self, model: nn.Module, failures: Failures) -> None:
        self.naming = Naming(model)
        self.layers: tuple[Layer, ...] = ()  # empty until the first step has shown them
        self.lost_writes: dict[str, float] = {}  # parameter -> std of what was written to the weight made of it
        self._failures = failures
        if flattened(model):
            failures["weights, their gradients and what the layers put out"] = (
                "FullyShardedDataParallel flattens weights; use fully_shard for statistics of each layer"
            )
        failures.guard("weights that are made anew", self._find_lost_writes, model)

    def _find_lost_writes(self, model: nn.Module) -> None:
        self.lost_writes = lost_writes(model, self.naming.parameters)

    def find(self, flow: Flow | None, called: Collection[str]) -> None:
        """Find the layers.

        Args:
            called: names of the modules that were called.
        """
        try:
            layers = layers_of(self.naming, flow, called)
        except Exception as error:  # without a place in the flow a weight still has its numbers
            self._failures.note("flow", error)
            layers = layers_of(self.naming, None, called)
        self.describe(layers)

    def describe(self, layers: tuple[Layer, ...]) -> None:
        """Take these as the model's layers, with their source lines; nothing changes if they are known."""
        if layers is not self.layers:
            self.layers = layers
            self._failures.guard("source lines", self._point)

    def _point(self) -> None:
        # A parameter that is a layer has a line of its own; a tied one goes by the module that it is named with.
        names = {each.name: each.name if each.name in self.naming.parameters else each.module for each in self.layers}
        lines = sources(self.naming.modules, dict.fromkeys(names.values()))
        self.layers = tuple(each.model_copy(update={"source": lines.get(names[each.name])}) for each in self.layers)

    def show_reached(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Layers whose weights have a gradient reach the loss, though a checkpoint or compiled code hides how."""
        hidden = {
            layer.name for layer in self.layers if not layer.reaches_loss and gradients.get(layer.parameter) is not None
        }
        if hidden:
            why = "a checkpoint or compiled code hides the way to the loss: only the weights' gradients are measured"
            self._failures.setdefault(" ".join(sorted(hidden)), why)
            self.layers = tuple(
                layer.model_copy(update={"reaches_loss": True}) if layer.name in hidden else layer
                for layer in self.layers
            )
