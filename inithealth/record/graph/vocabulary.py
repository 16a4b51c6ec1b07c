"""Autograd node names by what they do, as the node table has them, and activations."""

from __future__ import annotations

from inithealth.record.graph.node_table import NODES, Node, having, of_kind
from inithealth.theory.activation_table import BY_NAME, ROWS

_UNKNOWN = Node("unknown")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def node(name: str) -> Node:
    """What a node is; of kind "unknown" where the table does not have it."""
    return NODES.get(name, _UNKNOWN)


LAYOUT = of_kind("layout")
POOLING = of_kind("pooling")
LOG_SOFTMAX = of_kind("log_softmax")
# Activations, and other functions of each value; not what is one only with a constant, or only between layers.
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
OPERATIONS = of_kind("linear", "conv", "bmm", "embedding", "rnn", "bilinear")  # those that may have a weight
# Steps of a norm that is written out, from the mean to the root.
STATISTIC, AVERAGED, ROOTED = having("statistic"), having("averaged"), having("rooted")
REDUCTIONS = having("reduces")
# Make several signals of one, or take a part of it.
SPLITTING, TAKING = having("splits"), having("takes")
SELECTING = SPLITTING | TAKING
# What becomes of the axes and of the order of elements.
KEEPS_AXES, RESHAPES, DROPS_AXIS, IN_ORDER = (
    having(trait) for trait in ("keeps_axes", "reshapes", "drops_axis", "in_order")
)
HIDES = having("hides")  # what applies a mask to the scores of an attention
# What lies between 0 and 1: it weighs or gates a signal, and brings in none.
OPENINGS = frozenset(name for row in ROWS if row.opens for name in row.nodes)
NON_LINEAR = ACTIVATIONS | NORMS | ATTENTION
MATRIX_FUNCTIONS = having("matrix_function")
PRODUCTS, SPECTRAL = having("product"), having("spectral")
# What may stand between a parameter and the operation that uses it as its weight.
WEIGHT_TRANSFORM = LAYOUT | SPECTRAL | having("transform")


def known(name: str) -> bool:
    """Whether it is known what a node does; of a backward pass in the graph, what the forward one does."""
    forward = name.partition("Backward")[0]
    return any(each in NODES or each in ACTIVATIONS or each in SOFTMAX for each in (name, forward))
