"""A plan as the code of a function, and its operations in the order in which this function runs them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from inithealth.commands import inert
from inithealth.evidence.fix_text import Repeated, repeated
from inithealth.evidence.init_weights import init_weights
from inithealth.layer_names import split_positions
from inithealth.operations import Operation
from inithealth.planning.plan import Group, Plan

_WIDTH = 100
_INDENT = "    "


def ordered_operations(plan: Plan) -> tuple[Operation, ...]:
    """Return the operations in the order of the code."""
    return tuple(each for group in plan.groups for loop in _loops(group) for each in _unrolled(loop))


def code_of(plan: Plan) -> str:
    """Return the code of a function ``init_weights(model)`` with a comment for each role."""
    lines = [line for group in plan.groups for line in _lines(group)] + _kept(plan)
    return init_weights("Initialize the weights by their roles.", lines)


def _lines(group: Group) -> Iterator[str]:
    yield from _comment(f"{group.role.title}: {group.role.reason}.")
    for loop in _loops(group):
        head = loop[0].run.head.strip()
        if head:
            yield head
        yield from ((_INDENT if head else "") + each.statement for each in loop)


def _loops(group: Group) -> Iterator[list[Repeated]]:
    """Yield the statements of each loop; those without one, one by one."""
    written = list(repeated(group.operations))
    for head, part in groupby(written, key=lambda each: each.run.head):
        if head:
            yield list(part)
        else:
            yield from ([each] for each in part)


def _unrolled(loop: Sequence[Repeated]) -> Iterator[Operation]:
    """Yield the operations of a loop: all of the first index, then all of the next one."""
    for operations in zip(*(each.operations for each in loop), strict=True):
        yield from operations


def _kept(plan: Plan) -> list[str]:
    lines = []
    for reason, names in plan.kept.items():
        patterns = dict.fromkeys(split_positions(name).pattern for name in names)
        shown = (name if name.isprintable() else ascii(name) for name in patterns)
        lines += _comment(f"Kept, as {reason}: {', '.join(shown)}.")
    return lines


def _comment(text: str) -> list[str]:
    return [inert(f"# {line}") for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False)]
