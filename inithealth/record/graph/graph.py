"""The autograd graph as plain lists: nodes in topological order, inputs first.

Node wrappers are recycled if unreferenced, so the graph keeps every node. Release it after the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from inithealth.record.collection import collection_paused
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.order import Order
from inithealth.record.tensors import has_memory


class Graph:
    """The nodes that the roots depend on.

    Args:
        ordered: its nodes, from :func:`inithealth.record.graph.order.order`.
        names: parameter name by ``id(parameter)``.
    """

    def __init__(self, ordered: Order, names: Mapping[int, str]) -> None:
        with collection_paused():
            self.nodes, self.names, self.edges = ordered.nodes, ordered.names, ordered.edges
            # (consumer, its operand, index of the output that it reads)
            self.consumers: list[list[tuple[int, int, int]]] = [[] for _ in self.nodes]
            for index, edges in enumerate(self.edges):
                for operand, (producer, output) in enumerate(edges):
                    if producer >= 0:
                        self.consumers[producer].append((index, operand, output))
            self.packed = False  # whether a saved-tensor hook has packed a tensor that was read
            self.parameters: dict[int, str] = {}  # node -> parameter name
            self.pure = self._pure(names)
            self._data = [[p for p, _ in e if p >= 0 and self.pure[p] is None] for e in self.edges]
            self._weighted = self._depend_on_weights()
            self._readers = [[(c, o) for c, o, _ in each if self.pure[c] is None] for each in self.consumers]
            self.index = {node: index for index, node in enumerate(self.nodes)}

    def matches(self, ordered: Order) -> bool:
        """Return whether another graph has the same nodes and edges, as in most steps of a training."""
        return self.names == ordered.names and self.edges == ordered.edges

    def rebind(self, ordered: Order) -> None:
        """Replace the nodes by those of a matching graph."""
        self.nodes = ordered.nodes
        self.index = {node: index for index, node in enumerate(self.nodes)}

    def release(self) -> None:
        """Release torch's nodes and their saved tensors; keep names and edges."""
        self.nodes, self.index = [], {}

    def __len__(self) -> int:
        return len(self.names)

    def shape(self, index: int, output: int = 0) -> tuple[int, ...]:
        """Return the shape of a node's output; () if torch does not provide it."""
        metadata = getattr(self.nodes[index], "_input_metadata", ())
        return tuple(metadata[output].shape) if output < len(metadata) else ()

    def saved(self, index: int, name: str) -> Any:
        """Return what a node saved for backward, detached; None without it or if it was changed in place.

        Tensors packed by a hook are not read: unpacking may run a checkpoint's forward pass.
        """
        node = (
            getattr(self.nodes[index], "_wrapped_node", None) or self.nodes[index]
        )  # inside CopySlices, since torch 2.14
        try:
            packed = getattr(getattr(node, f"_raw_saved_{name}", None), "unpack_hook", None) is not None
            self.packed = self.packed or packed
            value = None if packed else getattr(node, f"_saved_{name}", None)
        except RuntimeError:
            return None
        if isinstance(value, torch.Tensor):
            return value.detach() if has_memory(value) else None
        return value

    def saved_tensors(self, index: int) -> tuple[torch.Tensor, ...] | None:
        """Return the saved tensors of an ``autograd.Function``, detached; () if freed, None if packed by a hook."""
        node: Any = self.nodes[index]
        try:
            raw = node._raw_saved_tensors
            if any(getattr(each, "unpack_hook", None) is not None for each in raw):
                self.packed = True
                return None
            return tuple(tensor.detach() for tensor in node.saved_tensors)
        except (AttributeError, RuntimeError):  # changed in place, or freed
            return ()

    def dimension(self, index: int) -> int | None:
        """Return the dimension along which a node works; None if it was not saved."""
        dim = self.saved(index, "dim")
        return self.signed(dim) if isinstance(dim, int) else None

    @staticmethod
    def signed(dim: int) -> int:
        """Return a saved dimension as a signed number: torch saves negative ones as unsigned."""
        return dim - 2**64 if dim >= 2**63 else dim

    def is_data(self, index: int) -> bool:
        """Return whether a node carries a signal, as opposed to values computed only from parameters."""
        return index >= 0 and self.pure[index] is None

    def data(self, index: int) -> list[int]:
        """Return the producers of a node's signal operands."""
        return self._data[index]

    def computed(self, index: int) -> list[int]:
        """Return the producers of a node's signal operands that depend on weights, as opposed to inputs and targets."""
        return [producer for producer in self._data[index] if self._weighted[producer]]

    def constant(self, index: int) -> torch.Tensor | None:
        """Return the operand of a product or quotient that depends on no weights; None if it is not the only one."""
        edges = self.edges[index]
        places = [at for at, (p, _) in enumerate(edges) if p < 0 or (self.is_data(p) and not self._weighted[p])]
        found = self.saved(index, ("self", "other")[places[0]]) if len(places) == 1 and len(edges) == 2 else None
        return found if isinstance(found, torch.Tensor) else None

    def readers(self, index: int) -> list[tuple[int, int]]:
        """Return the (consumer, operand) of all nodes that read this node's signal."""
        return self._readers[index]

    def _depend_on_weights(self) -> list[bool]:
        """Return for each node whether a parameter is upstream of it."""
        found: list[bool] = []
        for index, edges in enumerate(self.edges):
            found.append(index in self.parameters or any(producer >= 0 and found[producer] for producer, _ in edges))
        return found

    def _pure(self, names: Mapping[int, str]) -> list[tuple[str, ...] | None]:
        """Return for each node the parameters it is computed from, if only from parameters and constants."""
        pure: list[tuple[str, ...] | None] = [None] * len(self.nodes)
        for index, node in enumerate(self.nodes):
            if self.names[index] == "AccumulateGrad":
                name = names.get(id(node.variable))  # type: ignore[attr-defined]
                if name is not None:
                    self.parameters[index] = name
                    pure[index] = (name,)
                continue
            pure[index] = self._transform(index, pure)
        return pure

    def _transform(self, index: int, pure: list[tuple[str, ...] | None]) -> tuple[str, ...] | None:
        """Return the parameters of a weight transform (``W.t()``, weight norm, a cast); None for other nodes."""
        edges = self.edges[index]
        name = self.names[index]
        if name in vocab.SPECTRAL:  # sigma = u . (W v) of a spectral norm, which only a Dot reads
            if name == "Mv" and not all(self.names[c] in ("Dot", "Vdot") for c, _, _ in self.consumers[index]):
                return None
        elif name in vocab.PRODUCTS:  # B @ A of a low-rank update merged into the weight
            constant = any(producer < 0 for producer, _ in edges)
            if constant and not any(self._is_matrix_function(producer) for producer, _ in edges):
                return None
        elif name not in vocab.WEIGHT_TRANSFORM:
            return None
        operands = [producer for producer, _ in edges if producer >= 0]
        sources: dict[str, None] = {}
        for producer in operands:
            found = pure[producer]
            if found is None:
                return None
            sources.update(dict.fromkeys(found))
        if not operands or (len(operands) < len(edges) and self._grew(index)):
            return None
        return tuple(sources)[:32]  # a limit for stacks of hundreds of weights

    def _is_matrix_function(self, index: int) -> bool:
        """Return whether a node is a matrix function such as the exponential or the inverse, possibly scaled."""
        for _ in range(3):
            if index < 0 or self.names[index] in vocab.MATRIX_FUNCTIONS:
                break
            index = self.edges[index][0][0] if self.edges[index] else -1
        return index >= 0 and self.names[index] in vocab.MATRIX_FUNCTIONS

    def _grew(self, index: int) -> bool:
        """Return whether a constant operand made the result larger than the parameters, so that it is a signal."""
        size = torch.Size(self.shape(index)).numel()
        return size > max(torch.Size(self.shape(p, o)).numel() for p, o in self.edges[index] if p >= 0)
