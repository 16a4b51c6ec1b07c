"""Which activation a node is, with the parameters that it has saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from inithealth.record.graph.graph import Graph
from inithealth.theory.activation_row import Activation
from inithealth.theory.activation_table import BY_NAME, by_node, parameters_of

_FAR = 1e4  # where no signal is: float16 ends at 65,504
Found = tuple[Activation, tuple[float, ...]]  # its row, its parameters; none where they are torch's defaults


def activation(graph: Graph, index: int) -> Found | None:
    """The activation that a node is; None for nodes that are none, and for one that gives what it gets."""
    found = recognized(graph, index)
    return None if found is None or changes_nothing(*found) else found


def recognized(graph: Graph, index: int) -> Found | None:
    """The row that describes a node."""
    saved = _saved(graph, index)
    row = by_node(graph.names[index], saved)
    if row is None:
        name = composed(graph, index)
        return (BY_NAME[name], ()) if name else None
    whole = [composed(graph, reader) for reader, _ in graph.readers(index)] if row.name == "tanh" else []
    row = next((BY_NAME[name] for name in whole if name), row)
    return row, parameters_of(row, saved)


def changes_nothing(row: Activation, parameters: tuple[float, ...]) -> bool:
    """Whether it gives what it gets: a leaky ReLU of slope 1, a clamp that only keeps half precision from overflow."""
    low, high = row.edges(parameters)
    clips = row.dies and not row.hole
    far = clips and (low is None or low < -_FAR) and (high is None or high > _FAR)
    return row.name == "identity" or far


def composed(graph: Graph, index: int) -> str | None:
    """Activations that torch composes of several nodes: x / (1 + |x|) and x - tanh(x)."""
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
    """What a node has saved by a name, as a number where it is one; "constant" is the operand without a producer."""

    def saved(name: str) -> Any:
        if name == "constant":
            constants = [place for place, (producer, _) in enumerate(graph.edges[index]) if producer < 0]
            name = ("self", "other")[constants[0]] if len(constants) == 1 else ""
        value = graph.saved(index, name) if name else None
        return _number(value, name) if isinstance(value, Tensor) else value

    return saved


def _number(tensor: Tensor, name: str) -> float | None:
    """The one value of all elements; of a PReLU's slopes, one for each channel, the root mean square."""
    if tensor.numel() == 0:
        return None
    low, high = (float(value) for value in tensor.aminmax())
    if low == high:
        return low
    return float(tensor.float().square().mean().sqrt()) if name == "weight" else None
