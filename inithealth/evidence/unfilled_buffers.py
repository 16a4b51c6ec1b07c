"""Text about buffers that were never filled: how they are used, and how to fill them."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.evidence.statements import Statement, code, lines
from inithealth.evidence.wording import names_of, number
from inithealth.recording import UnfilledBuffer


def message(buffers: Sequence[UnfilledBuffer]) -> str:
    """Return what was found, for buffers with the same use."""
    first, several = buffers[0], len(buffers) > 1
    noun = ("frozen parameter" if first.parameter else "buffer") + ("s" if several else "")
    subject = f"{names_of([each.name for each in buffers], noun)}: the {noun}"
    if first.use == "values":
        size = "NaN" if first.non_finite and not first.abs_max else f"values up to {number(first.abs_max)}"
        return f"{subject} {'are' if several else 'is'} uninitialized memory ({size}), which the forward pass uses"
    zero = "exactly zero" if first.abs_max == 0.0 else f"zero up to {number(first.abs_max)}"
    subject = f"{subject} {'are' if several else 'is'} {zero} and {'multiply' if several else 'multiplies'}"
    if first.use == "positions":
        return f"{subject} positions, so that all positions look the same"
    return f"{subject} the argument of a sine or cosine, which is therefore constant"


def cause(buffers: Sequence[UnfilledBuffer]) -> str:
    """Return why the values are wrong, and stay so."""
    if buffers[0].parameter:
        return "allocated (torch.empty, to_empty) but never filled; no optimizer changes a frozen parameter"
    lost = "" if buffers[0].persistent else ", and no checkpoint contains one that is not persistent"
    return f"allocated (torch.empty, to_empty) but never filled; no optimizer changes a buffer{lost}"


def fix(buffers: Sequence[UnfilledBuffer]) -> str:
    """Return code that fills the buffers with the methods of their modules; else a description of what to write."""
    calls: dict[str, list[str]] = {}
    for buffer in buffers:
        calls.setdefault(buffer.refill, []).append(buffer.name.rpartition(".")[0])
    unknown = [buffer.name for buffer in buffers if not buffer.refill]
    if unknown:
        written = f"write the values that the constructor computes to {names_of([code(name) for name in unknown])}"
        return f"{written}, after to_empty and before training"
    found = [lines(_call(method), list(dict.fromkeys(homes))) for method, homes in calls.items()]
    return "\n".join(line for each in found for line in each)


def _call(method: str) -> Statement:
    return lambda home: f"{code(home)}.{method}()"
