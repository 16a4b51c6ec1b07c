"""Operations that are undefined at their operands, overflow or have an infinite slope: 0 / 0, exp(100), sqrt(0)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inithealth.record.graph.graph import Graph

_Test = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Row:
    """An operation, the saved tensor that shows its operand, and at which values it is undefined."""

    text: str
    saved: str
    test: _Test
    operand: int = 0
    forward: bool = True  # the result is undefined; otherwise only the slope
    overflows: bool = False  # the operand is too large


def _zero(values: Tensor) -> Tensor:
    return values == 0


def _not_positive(values: Tensor) -> Tensor:
    return values <= 0


_LOGARITHM = _Row("the logarithm of zero or less", "self", _not_positive)
_OVERFLOW = _Row("an exponential that overflows", "result", torch.isinf, overflows=True)
_EDGE = _Row("an arc cosine or sine at 1", "self", lambda values: values.abs() >= 1, forward=False)
_ROWS: dict[str, _Row] = {
    "Div": _Row("a division by zero", "other", _zero, operand=1),
    **dict.fromkeys(("Log", "Log2", "Log10"), _LOGARITHM),
    "Log1P": _Row("the logarithm of zero or less", "self", lambda values: values <= -1),
    "Rsqrt": _Row("the inverse square root of zero", "result", torch.isinf),
    "Reciprocal": _Row("a division by zero", "result", torch.isinf),
    "Sqrt": _Row("the square root of zero", "result", _zero, forward=False),
    "Std": _Row("the standard deviation of equal values", "result", _zero, forward=False),
    "Exp": _OVERFLOW,
    "Expm1": _OVERFLOW,
    "Acos": _EDGE,
    "Asin": _EDGE,
}


@dataclass(frozen=True)
class Found:
    """A node at a singular value of one operand."""

    node: int
    operand: int
    text: str
    share: float
    forward: bool
    tensor: Tensor  # the saved tensor
    largest: float | None = None  # the largest operand that does not overflow


def singular(graph: Graph, *, broken: bool) -> Found | None:
    """Return the operation that produces the first NaN or infinite value; None if no known one does.

    Args:
        broken: the result of the graph is not finite. Otherwise only a gradient can be: the backward pass reaches the
            last such operation first.
    """
    order = range(len(graph)) if broken else reversed(range(len(graph)))
    for index in order:
        row = _row_of(graph, index)
        if row is None or (broken and not row.forward) or row.operand >= len(graph.edges[index]):
            continue
        values = graph.saved(index, row.saved)
        if not isinstance(values, Tensor) or not values.is_floating_point() or not values.numel():
            continue
        share = float(row.test(values).float().mean())
        if share:
            largest = math.log(torch.finfo(values.dtype).max) if row.overflows else None
            return Found(index, row.operand, row.text, share, row.forward, values, largest)
    return None


def _row_of(graph: Graph, index: int) -> _Row | None:
    if graph.names[index] != "Pow":
        return _ROWS.get(graph.names[index])
    exponent = graph.saved(index, "exponent")
    if not isinstance(exponent, (int, float)) or exponent >= 1 or exponent == 0:
        return None
    if exponent < 0:
        return _Row(f"zero to the power of {exponent:g}", "self", _zero)
    return _Row(f"zero to the power of {exponent:g}", "self", _zero, forward=False)
