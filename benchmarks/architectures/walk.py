"""The autograd nodes behind a network's loss, those that are unknown, and those of them that a report names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

import inithealth
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.order import base_name
from inithealth.record.tensors import floating_tensors

from ..nets import Case, Net


@dataclass(frozen=True)
class Walked:
    """What was found of one architecture."""

    name: str
    nodes: int
    unknown: tuple[str, ...]
    unreported: tuple[str, ...]


def walked(net: Net) -> Walked:
    """The nodes of the graph that a check of a network has read."""
    torch.manual_seed(0)
    case, found = net.build(), dict[str, int]()

    def loss(output: Any) -> Tensor:
        value = _loss(case, output)
        if not found:  # the first pass is the one that is recorded
            for node in _nodes(value):
                name = base_name(node.name())
                found[name] = found.get(name, 0) + 1
        return value

    report = inithealth.check(case.model, case.batch, loss=loss)
    named = {name for line in report.not_measured for name in line.partition(": ")[0].split(", ")}
    unknown = tuple(sorted(name for name in found if not vocab.known(name)))
    return Walked(net.name, sum(found.values()), unknown, tuple(name for name in unknown if name not in named))


def _loss(case: Case, output: Any) -> Tensor:
    """The loss of a case, that of the model itself, or the sum of all that it puts out."""
    if case.loss is not None:
        return case.loss(output)
    own = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    return own if isinstance(own, Tensor) else torch.stack([each.sum() for each in floating_tensors(output)]).sum()


def _nodes(value: Tensor) -> Iterator[Node]:
    """Every node that a tensor depends on, once."""
    stack = [value.grad_fn] if value.grad_fn is not None else []
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        for producer, _ in node.next_functions:
            if producer is not None and producer not in seen:
                seen.add(producer)
                stack.append(producer)
