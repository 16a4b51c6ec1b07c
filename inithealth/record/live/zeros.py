"""Exact zeros in the graph of the first step: constants that stop gradients, and undefined operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from inithealth.layer_names import without_numbers
from inithealth.record.graph import zero_factors
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.zero_factors import Zero
from inithealth.record.layers.constant_names import ConstantNames
from inithealth.record.saved.second_derivatives import without_second_derivative
from inithealth.record.saved.singularities import singular
from inithealth.record.tensors import is_sharded
from inithealth.recording import Singularity, ZeroFactor

_MOST = 2**16  # elements of a constant that is read in a live step
_TENSOR = "mask or another tensor that is not a buffer"
_MOST_SOURCES = 4  # layers whose outputs enter an undefined operation
_Named = tuple[str | None, Zero | int]  # its name, and the operand or the node of a frozen parameter


class Zeros:
    """Finds what is at exactly zero in the graph of a model's first step.

    Args:
        model: the model without its wrappers.
        exact: read constants of any size, and operations with an infinite slope where the loss is finite.
    """

    def __init__(self, model: nn.Module, *, exact: bool) -> None:
        self.names, self.exact = ConstantNames(model), exact
        self.factors: tuple[ZeroFactor, ...] = ()
        self.singularity: Singularity | None = None
        self.flat = ""  # an activation whose second derivative the loss contains, although it is zero

    def find_factors(self, graph: Graph, trainable: Iterable[str]) -> None:
        """Find the constants at zero that leave some trainable parameter or term of the loss without gradient."""
        self.flat = without_second_derivative(graph)
        trained = set(trainable)
        constants = zero_factors.zero_constants(graph, None if self.exact else _MOST)
        named = [(self.names.of(zero.tensor), zero) for zero in constants]
        # Zero inputs, such as the first queries of a decoder, do not count: weights that multiply them may stay as is.
        found: list[_Named] = [each for each in named if each[0] or zero_factors.scales_signal(graph, each[1].place)]
        found += [(graph.parameters[leaf], leaf) for leaf in self._frozen_zeros(graph, trained)]
        groups: dict[str, list[_Named]] = {}
        for name, each in found:
            unnamed = "" if isinstance(each, Zero) and each.tensor.numel() == 1 else _TENSOR
            groups.setdefault(without_numbers(name or unnamed), []).append((name, each))
        alone = [self._factor(graph, trained, group) for group in groups.values()]
        every = self._factor(graph, trained, found)
        shown = {name for factor in alone if factor is not None for name in factor.parameters}
        # Parallel paths may be stopped by different constants, none of which stops the gradient alone.
        joint = every is not None and set(every.parameters) != shown
        self.factors = tuple(factor for factor in ([every] if joint else alone) if factor is not None)

    def _frozen_zeros(self, graph: Graph, trained: set[str]) -> list[int]:
        leaves = [(leaf, graph.nodes[leaf].variable) for leaf, name in graph.parameters.items() if name not in trained]  # type: ignore[attr-defined]
        return [leaf for leaf, values in leaves if values.numel() and not is_sharded(values) and not values.any()]

    def _factor(self, graph: Graph, trained: set[str], group: Sequence[_Named]) -> ZeroFactor | None:
        zeros = [each for _, each in group if isinstance(each, Zero)]
        leaves = [each for _, each in group if isinstance(each, int)]
        stopped = trained & zero_factors.without_gradient(graph, [zero.place for zero in zeros], leaves)
        if not stopped:
            return None
        names = self.names.in_order({name for name, _ in group if name is not None})
        text = "frozen parameter" if names and self.names.is_parameter(names[0]) else "buffer"
        unnamed = "number in the forward pass" if all(zero.tensor.numel() == 1 for zero in zeros) else _TENSOR
        matrix = any(zero_factors.is_matrix(graph, zero.place) for zero in zeros)
        return ZeroFactor(
            names=names,
            text=text if names else unnamed,
            parameters=tuple(name for name in graph.parameters.values() if name in stopped),
            matrix=matrix or any(len(graph.shape(leaf)) > 1 for leaf in leaves),
        )

    def find_singularity(self, flow: Flow, layer_at: Mapping[int, str], *, broken: bool) -> None:
        """Find the operation that produces the first NaN.

        Args:
            broken: whether the loss or the output is not finite.
        """
        found = singular(flow.graph, broken=broken)
        if found is None:
            return
        producer = flow.graph.edges[found.node][found.operand][0]
        layers, passed = _sources(flow.graph, layer_at, producer)
        tensors = [zero.tensor for zero in zero_factors.zero_constants(flow.graph, None) if zero.place[0] in passed]
        tensors += [found.tensor] if producer < 0 else []
        self.singularity = Singularity(
            operation=found.text,
            layers=tuple(layers),
            constant=next((name for tensor in tensors if (name := self.names.of(tensor))), ""),
            share=found.share,
            forward=found.forward,
            largest=found.largest,
        )


def _sources(graph: Graph, layer_at: Mapping[int, str], node: int) -> tuple[list[str], set[int]]:
    """Return the nearest layers upstream of a node, the last one first, and the nodes on the way."""
    waiting, seen = [node], {node}
    found: dict[str, None] = {}
    while waiting and len(found) < _MOST_SOURCES:
        index = max(waiting)
        waiting.remove(index)
        if index in layer_at:
            found[layer_at[index]] = None
        elif index >= 0:
            fresh = {producer for producer, _ in graph.edges[index] if producer >= 0} - seen
            seen |= fresh
            waiting += fresh
    return list(found), seen
