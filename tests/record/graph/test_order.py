"""The order and the names of the nodes of an autograd graph."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from inithealth.record.graph.order import base_name, order
from tests.record.graph.small_nets import Forked, leaf
from tests.record.reading import graph_of


def test_torchs_prefix_and_suffix_are_removed() -> None:
    assert base_name("AddmmBackward0") == "Addmm"
    assert base_name("torch::autograd::AccumulateGrad") == "AccumulateGrad"
    assert base_name("MaxPool2DWithIndicesBackward12") == "MaxPool2DWithIndices"
    assert base_name("CopyBackwards") == "CopyBackwards"
    assert base_name("torch::autograd::CopySlices") == "CopySlices"


def naive(roots: list[Node]) -> dict[Node, list[tuple[Node | None, int]]]:
    """Return every node that the roots depend on, with its operands, recursively."""
    found: dict[Node, list[tuple[Node | None, int]]] = {}

    def visit(node: Node | None) -> None:
        if node is not None and node not in found:
            found[node] = list(node.next_functions)
            for producer, _ in node.next_functions:
                visit(producer)

    for root in roots:
        visit(root)
    return found


@pytest.mark.parametrize("both", [True, False])
def test_the_order_has_every_node_once_inputs_first_with_its_operands(both: bool) -> None:
    outputs = Forked()(torch.randn(3, 4))
    roots = [output.grad_fn for output in outputs[: 2 if both else 1] if output.grad_fn is not None]
    wanted, found = naive(roots), order(roots)
    assert len(found.nodes) == len(set(found.nodes)) == len(wanted)
    place = {node: index for index, node in enumerate(found.nodes)}
    for index, node in enumerate(found.nodes):
        assert found.edges[index] == [(-1 if p is None else place[p], output) for p, output in wanted[node]]
        assert all(producer < index for producer, _ in found.edges[index])
        assert found.names[index] == base_name(node.name())


def test_a_chain_of_thousands_of_nodes_does_not_recurse() -> None:
    x = leaf(1)
    y = x
    for _ in range(20_000):
        y = y + 1
    assert len(order([y.grad_fn]).nodes) == 20_001


def in_place_on_a_view() -> Tensor:
    y = leaf(2, 4) * 1
    y[:, :2].relu_()
    return y


@pytest.mark.xfail(
    not hasattr(in_place_on_a_view().grad_fn, "_wrapped_node"), reason="torch before 2.14 does not tell what is inside"
)
def test_an_in_place_operation_on_a_view_has_its_own_name() -> None:
    assert "Relu" in graph_of(nn.Module(), in_place_on_a_view()).names
