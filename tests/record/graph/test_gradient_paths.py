"""Layers that a gradient reaches, and layers that it reaches only through attention scores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.gradient_paths import looks_up_padding, over_one, over_selected, reaching, scores
from tests.record.graph.small_nets import (
    ATTENTION,
    SEQUENCES,
    attention,
)
from tests.record.reading import graph_of, read


@pytest.mark.parametrize("name", list(ATTENTION)[:2])
def test_queries_and_keys_have_no_gradient_with_a_single_token(name: str) -> None:
    reading = read(attention(ATTENTION[name]), SEQUENCES[:, :1])
    exempt = {part for part, layer in reading.layers.items() if layer.exempt_zero_gradient}
    # The fused kernel leaves a rounding error, depending on memory alignment.
    sizes = {part: each.weight_gradient or 0.0 for part, each in reading.measured.items()}
    assert exempt == {part for part, size in sizes.items() if size < 1e-6 * max(sizes.values())} == {"q", "k"}


def cut(way: Callable[[Tensor], Tensor], rule: Callable[..., bool]) -> list[str]:
    """Return the nodes with cut edges."""
    graph = graph_of(nn.Module(), way(torch.randn(2, 3, 4, requires_grad=True) * 2))
    return [name for at, name in enumerate(graph.names) if any(rule(graph, at, i) for i in range(len(graph.edges[at])))]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (lambda x: x.softmax(-1) @ x.mT, ["Softmax"]),
        (lambda x: (x.softmax(-1).transpose(0, 1) * x.transpose(0, 1)).sum(), ["Softmax"]),
        (lambda x: x.softmax(-1).log(), []),
        (lambda x: x.softmax(-1) * 2, []),
        (lambda x: x.relu() @ x.mT, []),
        (lambda x: x.softmax(-1), []),
    ],
    ids=["multiplied", "through a view", "a loss", "by a constant", "no softmax", "the output"],
)
def test_scores_are_the_inputs_of_a_softmax_that_weighs_values(
    way: Callable[[Tensor], Tensor], expected: list[str]
) -> None:
    assert cut(way, scores) == expected


def test_only_the_value_of_a_fused_attention_is_not_a_score() -> None:
    x = torch.randn(2, 3, 4, requires_grad=True) * 2
    graph = graph_of(nn.Module(), F.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None]))
    node = next(at for at, name in enumerate(graph.names) if name.startswith("ScaledDot"))
    assert [scores(graph, node, operand) for operand in range(3)] == [True, True, False]
    assert not any(over_one(graph, node, operand) for operand in range(3))


@pytest.mark.parametrize(("dim", "shape", "expected"), [(-1, (2, 1), True), (0, (2, 1), False), (0, (1, 2), True)])
def test_a_softmax_over_one_element(dim: int, shape: tuple[int, ...], expected: bool) -> None:
    graph = graph_of(nn.Module(), (torch.randn(shape, requires_grad=True) * 2).softmax(dim))
    assert over_one(graph, len(graph) - 1, 0) is expected
    assert not over_one(graph, len(graph) - 2, 0)


def test_a_node_reaches_the_loss_if_one_path_is_not_cut() -> None:
    x = torch.randn(2, 3, requires_grad=True) * 2
    graph = graph_of(nn.Module(), x.relu().sum() + x.tanh().exp().sum())
    names = graph.names

    def reached(*closed: str) -> set[str]:
        found = reaching(graph, lambda graph, reader, operand: names[reader] in closed)
        return {name for name, reaches in zip(names, found, strict=True) if reaches}

    assert reached() == set(names)
    assert set(names) - reached("Exp") == {"Tanh"}
    assert set(names) - reached("Exp", "Relu") == {"AccumulateGrad", "Mul", "Tanh"}


@pytest.mark.parametrize(
    ("tokens", "padding", "expected"),
    [([0, 0], 0, True), ([0, 1], 0, False), ([3, 3], -1, True), ([0, 0], None, False)],
)
def test_an_embedding_that_looks_up_only_padding(tokens: list[int], padding: int | None, expected: bool) -> None:
    net = nn.Embedding(4, 2, padding_idx=padding)
    graph = graph_of(net, net(torch.tensor(tokens)))
    assert looks_up_padding(graph, graph.names.index("Embedding")) is expected


def routed(weigh: Callable[[Tensor], Tensor]) -> bool:
    """Whether the logits of a router reach the loss other than by selecting an expert."""
    router = nn.Linear(4, 3)
    x = torch.randn(6, 4)
    output = weigh(router(x)) * x.sum(1, keepdim=True)
    graph = graph_of(router, output.sum())
    reached = reaching(graph, over_selected)
    return reached[next(index for index, name in enumerate(graph.names) if name == "Addmm")]


@pytest.mark.parametrize(
    ("weigh", "reaches"),
    [
        (lambda z: z.topk(1, dim=1)[0].softmax(1), False),
        (lambda z: z.max(1, keepdim=True)[0].softmax(1), False),
        (lambda z: (w := z.softmax(1).topk(1, dim=1)[0]) / w.sum(1, keepdim=True), False),
        (lambda z: (w := z.softmax(1).topk(1, dim=1)[0]) / (w.sum(1, keepdim=True) + 1e-20), False),
        (lambda z: z.softmax(1).topk(1, dim=1)[0], True),
        (lambda z: z.topk(2, dim=1)[0].softmax(1)[:, :1], True),
        (lambda z: (w := z.softmax(1).topk(2, dim=1)[0])[:, :1] / w.sum(1, keepdim=True), True),
        (lambda z: z.softmax(1).topk(1, dim=1)[0] / z.sigmoid().sum(1, keepdim=True), True),
        (lambda z: z[:, :1].softmax(1) + z[:, :1], True),
    ],
)
def test_a_normalized_weight_of_one_selected_element(weigh: Callable[[Tensor], Tensor], reaches: bool) -> None:
    assert routed(weigh) is reaches
