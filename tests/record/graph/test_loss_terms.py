"""The losses that an objective adds up."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.loss_terms import Term, loss_terms
from tests.record.reading import Written, flow_behind

X, LABELS, TARGETS = torch.randn(6, 4), torch.arange(6) % 3, torch.randn(6, 3)


def two_heads() -> Written:
    return Written(
        lambda net, x: (net.a(net.body(x).relu()), net.b(net.body(x).relu())),
        body=nn.Linear(4, 5),
        a=nn.Linear(5, 3),
        b=nn.Linear(5, 3),
    )


def terms(model: nn.Module, loss: Tensor) -> tuple[list[Term], list[tuple[str, ...]]]:
    """The terms, and the weights of the heads of each."""
    flow = flow_behind(model, loss)
    found = loss_terms(flow)
    return found, [tuple(flow.operations[head].weights[0] for head in term.heads) for term in found]


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a + b,
        lambda a, b: 0.3 * a + b / 7,
        lambda a, b: torch.stack([a, b]).sum(),
        lambda a, b: (a.exp() * b).log(),
    ],
)
def test_each_loss_of_a_sum_has_its_own_head(combine: Callable[[Tensor, Tensor], Tensor]) -> None:
    model = two_heads()
    a, b = model(X)
    found, heads = terms(model, combine(F.cross_entropy(a, LABELS), F.mse_loss(b, TARGETS)))
    assert dict(zip((term.kind for term in found), heads, strict=True)) == {
        "cross_entropy": ("a.weight",),
        "mse": ("b.weight",),
    }


def test_a_smoothed_cross_entropy_is_one_loss() -> None:
    model = nn.Linear(4, 3)
    found, _ = terms(model, F.cross_entropy(model(X), LABELS, label_smoothing=0.1))
    assert [term.kind for term in found] == ["cross_entropy"]


def test_a_loss_without_a_node_of_its_own_comes_last() -> None:
    model = two_heads()
    a, b = model(X)
    found, _ = terms(model, F.l1_loss(b, TARGETS) + F.cross_entropy(a, LABELS))
    assert [term.kind for term in found] == ["cross_entropy", "l1"]


def test_squares_between_layers_are_no_loss() -> None:
    model = Written(lambda net, x: net.b((net.a(x) - TARGETS[:, :1]) ** 2), a=nn.Linear(4, 5), b=nn.Linear(5, 3))
    found, heads = terms(model, F.cross_entropy(model(X), LABELS))
    assert ([term.kind for term in found], heads) == (["cross_entropy"], [("b.weight",)])


def test_both_factors_of_a_product_are_heads() -> None:
    model = Written(lambda net, i: (net.u(i) * net.v(i)).sum(-1), u=nn.Embedding(6, 4), v=nn.Embedding(6, 4))
    _, heads = terms(model, F.binary_cross_entropy_with_logits(model(torch.arange(6)), torch.ones(6)))
    assert set(heads[0]) == {"u.weight", "v.weight"}


class Capped(nn.Module):
    """Soft-capped logits."""

    def forward(self, x: Tensor) -> Tensor:
        return 30 * torch.tanh(x / 30)


class Scaled(nn.Module):
    """A learned scale after a bounded activation."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.tanh(x)


class Halves(nn.Module):
    """A sigmoid, moved to be around zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sigmoid() - 0.5


@pytest.mark.parametrize(
    ("activation", "source"),
    [
        (nn.Identity(), ("layer", math.inf, -math.inf)),
        (nn.ReLU(), ("relu", math.inf, 0.0)),
        (nn.Sigmoid(), ("sigmoid", 1.0, 0.0)),
        (nn.Softmax(-1), ("softmax", 1.0, 0.0)),
        (nn.Tanh(), ("tanh", 2.0, -1.0)),
        (nn.Hardtanh(-2.0, 3.0), ("hardtanh", 5.0, -2.0)),
        (nn.ReLU6(), ("relu6", 6.0, 0.0)),
        (nn.GELU(), ("gelu", math.inf, -math.inf)),
        (Capped(), ("tanh", 60.0, -30.0)),
        (Halves(), ("sigmoid", 1.0, -math.inf)),
        (Scaled(), ("", math.inf, -math.inf)),
        (nn.Sequential(nn.ReLU(), nn.Unflatten(1, (1, 3)), nn.AvgPool1d(1), nn.Flatten()), ("", math.inf, -math.inf)),
        (nn.LayerNorm(3), ("", math.inf, -math.inf)),
    ],
)
def test_what_the_logits_come_from(activation: nn.Module, source: tuple[str, float, float]) -> None:
    model = nn.Sequential(nn.Linear(4, 3), activation)
    (term,), _ = terms(model, F.cross_entropy(model(X), LABELS))
    assert term.source.name == source[0]
    assert (term.source.span, term.source.lowest) == pytest.approx(source[1:])


def test_the_predictions_of_a_composed_loss_are_not_the_difference() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    (term,), heads = terms(model, (5 * ((model(X) - TARGETS) ** 2).sum(1)).mean())
    assert (term.source.name, term.source.lowest, heads) == ("relu", 0.0, [("0.weight",)])


def test_two_losses_of_the_same_predictions() -> None:
    model = nn.Linear(4, 3)
    output = model(X)
    found, _ = terms(model, F.l1_loss(output, TARGETS) + F.mse_loss(output, TARGETS))
    assert [term.kind for term in found] == ["mse", "l1"]
