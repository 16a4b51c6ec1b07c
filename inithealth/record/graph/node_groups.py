"""Sets of autograd node names by their function, from the node table and the activation table."""

from __future__ import annotations

from inithealth.record.graph.node_table import NODES, Node, having, of_kind
from inithealth.theory.activation_table import BY_NAME, ROWS

_UNKNOWN = Node("unknown")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def node(name: str) -> Node:
    """Return the table entry of a node; of kind "unknown" if there is none."""
    return NODES.get(name, _UNKNOWN)


LAYOUT = of_kind("layout")
POOLING = of_kind("pooling")
LOG_SOFTMAX = of_kind("log_softmax")
# Activations and other elementwise functions, without those that are activations only in some uses.
_ROWS = frozenset(name for row in ROWS for name in row.nodes) - {"Maximum", "Minimum"} - LOG_SOFTMAX
ACTIVATIONS = _ROWS | _words("Expm1 Log Log1P Sqrt Abs Pow Reciprocal Rsqrt Sign Logsumexp")
FUNCTIONS = (ACTIVATIONS | of_kind("arithmetic", "function")) - {"Logsumexp"}
SOFTMAX = frozenset(BY_NAME["softmax"].nodes)
NORMS = of_kind("norm")
ADDITIVE = of_kind("additive")
MULTIPLICATIVE = of_kind("multiplicative")
ARITHMETIC = ADDITIVE | MULTIPLICATIVE | of_kind("arithmetic")
ATTENTION = of_kind("attention")
LOSSES = {name: each.loss for name, each in NODES.items() if each.loss}
OPERATIONS = of_kind("linear", "conv", "bmm", "embedding", "rnn", "bilinear")  # kinds that may have a weight
# Steps of a composed norm, from the mean to the root.
STATISTIC, AVERAGED, ROOTED = having("statistic"), having("averaged"), having("rooted")
REDUCTIONS = having("reduces")
# Split a signal or select a part of it.
SPLITTING, TAKING = having("splits"), having("takes")
SELECTING = SPLITTING | TAKING
# Effect on the axes and on the order of the elements.
KEEPS_AXES, RESHAPES, DROPS_AXIS, IN_ORDER = (
    having(trait) for trait in ("keeps_axes", "reshapes", "drops_axis", "in_order")
)
HIDES = having("hides")  # apply a mask to the scores of an attention
# Outputs between 0 and 1, which weigh or gate a signal.
OPENINGS = frozenset(name for row in ROWS if row.opens for name in row.nodes)
NON_LINEAR = ACTIVATIONS | NORMS | ATTENTION
MATRIX_FUNCTIONS = having("matrix_function")
PRODUCTS, SPECTRAL = having("product"), having("spectral")
# May be between a parameter and the operation that uses it as its weight.
WEIGHT_TRANSFORM = LAYOUT | SPECTRAL | having("transform")


def known(name: str) -> bool:
    """Return whether a node is known; a node of a backward pass is known if its forward node is."""
    forward = name.partition("Backward")[0]
    return any(each in NODES or each in ACTIVATIONS or each in SOFTMAX for each in (name, forward))
