"""The activation of a node, with the parameters that it saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from inithealth.record.graph.graph import Graph
from inithealth.theory.activation_row import Activation
from inithealth.theory.activation_table import BY_NAME, by_node, parameters_of

_FAR = 1e4  # beyond any signal: float16 overflows at 65,504
Found = tuple[Activation, tuple[float, ...]]  # its row, its parameters; () for torch's defaults


def activation(graph: Graph, index: int) -> Found | None:
    """Return the activation of a node; None if the node is not an activation or is the identity."""
    found = recognized(graph, index)
    return None if found is None or changes_nothing(*found) else found


def recognized(graph: Graph, index: int) -> Found | None:
    """Return the row of a node and its parameters; None if the node is not an activation."""
    saved = _saved(graph, index)
    row = by_node(graph.names[index], saved)
    if row is None:
        name = composed(graph, index)
        return (BY_NAME[name], ()) if name else None
    whole = [composed(graph, reader) for reader, _ in graph.readers(index)] if row.name == "tanh" else []
    row = next((BY_NAME[name] for name in whole if name), row)
    return row, parameters_of(row, saved)


def changes_nothing(row: Activation, parameters: tuple[float, ...]) -> bool:
    """Return whether it is the identity: a leaky ReLU of slope 1, a clamp to the range of half precision."""
    low, high = row.edges(parameters)
    clips = row.dies and not row.hole
    far = clips and (low is None or low < -_FAR) and (high is None or high > _FAR)
    return row.name == "identity" or far


def composed(graph: Graph, index: int) -> str | None:
    """Return an activation that torch composes of several nodes, x / (1 + |x|) or x - tanh(x); None for others."""
    name, operands = graph.names[index], [producer for producer, _ in graph.edges[index]]
    if name not in ("Div", "Sub") or len(operands) != 2 or min(operands) < 0:
        return None
    signal, other = operands
    if name == "Sub":
        inner = graph.edges[other][0][0] if graph.names[other] == "Tanh" else -1
        return "tanhshrink" if inner == signal else None
    size = next((p for p, _ in graph.edges[other] if p >= 0), -1) if graph.names[other] == "Add" else -1
    inner = graph.edges[size][0][0] if size >= 0 and graph.names[size] == "Abs" else -1
    return "softsign" if inner == signal else None


def _saved(graph: Graph, index: int) -> Callable[[str], Any]:
    """Return a function of a name that returns the saved value of a node; "constant" is the operand without a node."""

    def saved(name: str) -> Any:
        if name == "constant":
            constants = [place for place, (producer, _) in enumerate(graph.edges[index]) if producer < 0]
            name = ("self", "other")[constants[0]] if len(constants) == 1 else ""
        value = graph.saved(index, name) if name else None
        return _number(value, name) if isinstance(value, Tensor) else value

    return saved


def _number(tensor: Tensor, name: str) -> float | None:
    """Return the common value of all elements; for a PReLU's slopes per channel, their root mean square."""
    if tensor.numel() == 0:
        return None
    low, high = (float(value) for value in tensor.aminmax())
    if low == high:
        return low
    return float(tensor.float().square().mean().sqrt()) if name == "weight" else None
