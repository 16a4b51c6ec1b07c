"""The layer of each parameter, operation and module call."""

from __future__ import annotations

from collections import Counter

from torch import Tensor, nn

from inithealth.layer_kinds import Kind
from inithealth.layer_names import is_position, without_numbers
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.operations import Operation
from inithealth.record.layers.wrapper_prefixes import owner, parameter_names, strip, tied_names
from inithealth.record.tensors import has_memory, is_sharded

_MODULE_KINDS: tuple[tuple[tuple[type[nn.Module], ...], Kind], ...] = (
    ((nn.Linear,), "linear"),
    ((nn.modules.conv._ConvNd,), "conv"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
    ((nn.RNNBase, nn.RNNCellBase), "rnn"),
    ((nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm), "norm"),
    ((nn.Bilinear,), "bilinear"),
)


def module_kind(module: nn.Module | None) -> Kind:
    """Return the kind of layer of a torch module; "other" for any other module."""
    return next((kind for types, kind in _MODULE_KINDS if isinstance(module, types)), "other")


def dimensions(parameter: Tensor) -> int:
    """Return the number of dimensions; 0 for a lazy parameter."""
    return 0 if isinstance(parameter, nn.parameter.UninitializedParameter) else parameter.ndim


class Naming:
    """Names of one model: a layer has its module's name, or its parameter's if the module has several weights."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = {strip(name): module for name, module in model.named_modules()}
        names = parameter_names(model)
        self.parameters = {
            names[id(parameter)]: parameter for parameter in model.parameters() if id(parameter) in names
        }
        self.trainable = {name for name, parameter in self.parameters.items() if parameter.requires_grad}
        self.tied = tied_names(model)
        named = [name for name in self.parameters if "parametrizations." not in name]
        self._matrices = Counter(self.module(name) for name in named if dimensions(self.parameters[name]) > 1)
        self._weights = Counter(self.module(name) for name in named if "bias" not in name.rpartition(".")[2])

    def drop_freed(self) -> dict[int, str]:
        """Forget the parameters whose memory is freed, which cannot be read; return their names by ``id``."""
        freed = {name: parameter for name, parameter in self.parameters.items() if not has_memory(parameter)}
        for name in freed:
            del self.parameters[name]
            self.trainable.discard(name)
        return {id(parameter): name for name, parameter in freed.items()}

    def module(self, parameter: str) -> str:
        """Return the name for a parameter in findings: a module as in ``named_modules()``, or the parameter itself."""
        return owner(parameter, self.modules)

    def place(self, parameter: str) -> str:
        """Return a parameter's name without numbers and without containers of a single module.

        It is equal for repeated layers, even if some of them are wrapped.
        """
        home, found = "", list[str]()
        head, parametrized, tail = f".{parameter}".partition(".parametrizations.")
        *path, leaf = f"{head}.{tail.split('.')[0]}".split(".")[1:] if parametrized else parameter.split(".")
        for part in path:
            lone = home in self.modules and len(self.modules[home]._modules) == 1
            home = f"{home}.{part}".lstrip(".")
            if not (lone or is_position(part)):
                found.append(part)
        return without_numbers(".".join([*found, leaf]))

    def layer(self, parameter: str) -> str:
        """Return the layer of a parameter: its module, or itself if the module has another weight of that rank."""
        home = self.module(parameter)
        vector = parameter in self.parameters and dimensions(self.parameters[parameter]) < 2
        others = self._weights if vector else self._matrices  # beside a matrix, a vector has its own name
        return parameter if others[home] > 1 else home

    def whole(self, name: str) -> Tensor | None:
        """Return a parameter; None if it is sharded or unknown."""
        parameter = self.parameters.get(name)
        return None if parameter is None or is_sharded(parameter) else parameter

    def main(self, operation: Operation) -> str | None:
        """Return the parameter that is an operation's weight: the larger factor of weight norm."""
        known = [name for name in operation.weights if name in self.parameters]
        if not known or not operation.transformed:
            return known[0] if known else None
        return max(known, key=lambda name: self.parameters[name].numel())

    def layers(self, flow: Flow) -> dict[int, str]:
        """Return the layer of each operation. A tied weight is a separate layer for each kind of use."""
        found: dict[int, str] = {}
        kinds: dict[str, str] = {}
        for node, operation in flow.operations.items():
            parameter = self.main(operation)
            if parameter is not None:
                first = kinds.setdefault(parameter, operation.kind)
                main_use = first == operation.kind or operation.kind == "scale"
                found[node] = self.layer(parameter) if main_use else self._other_use(parameter, operation.kind)
        return found

    def _other_use(self, parameter: str, kind: str) -> str:
        """Return the module that ties the parameter for another use, such as a head; without one, name and kind."""
        for name in self.tied.get(parameter, ()):
            home = self.module(name)
            if module_kind(self.modules.get(home)) == kind:
                return home
        return f"{self.layer(parameter)} (as {kind})"
