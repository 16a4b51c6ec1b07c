"""Dominators and essential nodes, compared with all paths of random graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from inithealth.record.graph.dominators import essential_nodes, immediate_dominators, immediate_post_dominators, peel
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.order import Order
from tests.record.reading import flow_behind, graph_of, squares


def made_up(edges: list[list[int]], names: list[str]) -> Graph:
    """Return a graph of data nodes without torch nodes."""
    nodes = cast("list[Any]", [object() for _ in edges])
    return Graph(Order(nodes, names, [[(producer, 0) for producer in sources] for sources in edges]), {})


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 10))
    sources = [st.lists(st.integers(max(0, at - 4), at - 1), max_size=2, unique=True) for at in range(1, count)]
    edges = [[], *(draw(each) for each in sources)]
    names = [draw(st.sampled_from(["Add", "Mul"])) for _ in range(count)]
    return made_up(edges, names)


def readers(graph: Graph, index: int) -> list[int]:
    return [at for at in range(len(graph)) if index in graph.data(at)]


def paths_from_inputs(graph: Graph, index: int) -> list[list[int]]:
    leading = [path for source in graph.data(index) for path in paths_from_inputs(graph, source)]
    return [[*path, index] for path in leading] or [[index]]


def paths_to_losses(graph: Graph, index: int) -> list[list[int]]:
    following = [path for reader in readers(graph, index) for path in paths_to_losses(graph, reader)]
    return [[index, *path] for path in following] or [[index]]


@given(graphs())
def test_a_dominator_is_the_last_node_shared_by_all_paths(graph: Graph) -> None:
    for index, found in enumerate(immediate_dominators(graph)):
        shared = set.intersection(*(set(path) for path in paths_from_inputs(graph, index))) - {index}
        assert found == max(shared, default=-1)


def constant_with(graph: Graph, zeros: int) -> set[int]:
    """The nodes that are constant if one of them is zero, of all nodes after it."""
    zero, constant = {zeros}, {zeros}
    for index in range(zeros + 1, len(graph)):
        sources = set(graph.data(index))
        product = graph.names[index] == "Mul" and sources & zero
        if product or (sources and sources <= constant):
            constant.add(index)
            zero |= {index} if product or (sources <= zero and graph.names[index] == "Add") else set()
    return constant


@given(graphs())
def test_essential_nodes_are_on_all_paths_of_some_input(graph: Graph) -> None:
    wanted: set[int] = set()
    for index in range(len(graph)):
        if not graph.data(index):
            wanted |= set.intersection(*(set(path) for path in paths_to_losses(graph, index)))
    for index in reversed(range(len(graph))):  # and nodes that only feed an essential product
        reading = readers(graph, index)
        several = len(reading) > 1 and all(graph.names[reader] == "Mul" for reader in reading)
        if several and (constant_with(graph, index) - {index}) & wanted:
            wanted.add(index)
        stops = len(reading) == 1 and (len(graph.data(reading[0])) < 2 or graph.names[reading[0]] == "Mul")
        if stops and reading[0] in wanted:
            wanted.add(index)
    assert essential_nodes(graph, immediate_post_dominators(graph)) == wanted


@st.composite
def long_graphs(draw: st.DrawFn) -> Graph:
    """Return long graphs with short and long skips, whose ancestors are found by jump links."""
    edges: list[list[int]] = [[]]
    for at in range(1, draw(st.integers(40, 120))):
        back = draw(st.sampled_from([1, 1, 1, 2, 5, 30]))
        edges.append(
            [at - 1, at - back] if 1 < back <= at else [at - 1] if draw(st.integers(0, 9)) else [max(0, at - 2)]
        )
    return made_up(edges, ["Add"] * len(edges))


@given(long_graphs())
def test_dominators_of_long_graphs_are_on_all_paths(graph: Graph) -> None:
    passed: list[set[int]] = []  # nodes shared by all paths to each node, by definition
    for index, found in enumerate(immediate_dominators(graph)):
        sources = graph.data(index)
        shared = set.intersection(*(passed[source] for source in sources)) if sources else set()
        passed.append(shared | {index})
        assert found == max(shared, default=-1)


def test_a_chain_is_essential_and_a_parallel_branch_is_not() -> None:
    chain = made_up([[], [0], [1]], ["Relu"] * 3)
    assert essential_nodes(chain, immediate_post_dominators(chain)) == {0, 1, 2}
    skip = made_up([[], [0], [1, 0]], ["Relu", "Relu", "Add"])
    assert essential_nodes(skip, immediate_post_dominators(skip)) == {0, 2}
    gate = made_up([[], [0], [1, 0]], ["Relu", "Relu", "Mul"])
    assert essential_nodes(gate, immediate_post_dominators(gate)) == {0, 1, 2}


@pytest.mark.parametrize("join", ["Add", "Sub", "Cat", "Maximum"])
def test_a_factor_of_several_products_has_no_way_around_it(join: str) -> None:
    """h a + h b is zero if h is, whatever a and b are."""
    graph = made_up([[], [0], [1, 0], [1, 0], [2, 3], [4]], ["Relu", "Relu", "Mul", "Mul", join, "Mm"])
    assert 1 in essential_nodes(graph, immediate_post_dominators(graph))


def test_a_gate_and_its_complement_leave_a_way_around() -> None:
    """z a + (1 - z) b is b if z is zero."""
    graph = made_up([[], [0], [1], [1, 0], [2, 0], [3, 4]], ["Relu", "Linear", "Rsub", "Mul", "Mul", "Add"])
    assert 1 not in essential_nodes(graph, immediate_post_dominators(graph))
    both = made_up([[], [0], [1, 0], [1, 0], [3, 0], [2, 4]], ["Relu", "Linear", "Mul", "Mul", "Add", "Add"])
    assert 1 not in essential_nodes(both, immediate_post_dominators(both))


def test_a_long_chain_does_not_recurse() -> None:
    count = 20_000
    graph = made_up([[at - 1] if at else [] for at in range(count)], ["Relu"] * count)
    assert immediate_dominators(graph)[-1] == count - 2
    assert len(essential_nodes(graph, immediate_post_dominators(graph))) == count


CHANGES: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x,
    lambda x: x.view(-1),
    lambda x: x.t().reshape(4, 3).contiguous(),
    lambda x: x[1:].clone().unsqueeze(0),
)


@pytest.mark.parametrize("change", CHANGES)
def test_peel_finds_the_node_that_computed_the_values(change: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(3, 4, requires_grad=True)
    graph = graph_of(nn.Module(), change(x.tanh()))
    assert graph.names[peel(graph, len(graph) - 1)] == "Tanh"


def test_peel_stops_where_values_are_combined() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    graph = graph_of(nn.Module(), torch.cat([x.tanh(), x.sin()]))
    assert graph.names[peel(graph, len(graph) - 1)] == "Cat"


def test_the_branches_of_residual_blocks_are_not_essential() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.second(self.first(x).relu())

    model = nn.Sequential(nn.Linear(4, 4), Block(), Block(), nn.Linear(4, 2))
    flow = flow_behind(model, squares(model(torch.randn(5, 4))))
    essential = {flow.operations[node].weights[0] for node in flow.essential if node in flow.operations}
    assert essential == {"0.weight", "3.weight"}
