"""Weights that are not in the autograd graph, found in the dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from inithealth.record.sandbox.dispatch_trace import Use, traced
from tests.record.reading import Written, flow_behind, squares

X, SEQUENCES, IMAGES = torch.randn(5, 6), torch.randn(2, 3, 6), torch.randn(2, 6, 5, 5)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def uses(model: nn.Module, *args: Tensor, grad: bool = False) -> dict[str, Use]:
    def run() -> None:
        with torch.set_grad_enabled(grad):
            model(*args)

    return traced(run, dict(model.named_parameters()))


WRITTEN: dict[str, tuple[tuple[int, ...], Callable[[Any, Tensor], Tensor], Tensor]] = {
    "F.linear": ((7, 6), lambda net, x: F.linear(x, net.w), X),
    "F.linear of sequences": ((7, 6), lambda net, x: F.linear(x, net.w), SEQUENCES),
    "with a bias": ((7, 6), lambda net, x: F.linear(x, net.w, torch.ones(7)), X),
    "x @ w": ((6, 7), lambda net, x: x @ net.w, X),
    "x @ w.t()": ((7, 6), lambda net, x: x @ net.w.t(), SEQUENCES),
    "w @ x": ((7, 6), lambda net, x: (net.w @ x.t()).t(), X),
    "einsum": ((7, 6), lambda net, x: torch.einsum("bti,oi->bto", x, net.w), SEQUENCES),
    "experts": ((2, 6, 7), lambda net, x: torch.bmm(x, net.w), SEQUENCES),
    "convolution": ((7, 6, 3, 3), lambda net, x: F.conv2d(x, net.w), IMAGES),
    "grouped": ((8, 3, 3, 3), lambda net, x: F.conv2d(x, net.w, groups=2), IMAGES),
    "transposed": ((6, 7, 4, 4), lambda net, x: F.conv_transpose2d(x, net.w, stride=2), IMAGES),
    "a cast": ((7, 6), lambda net, x: F.linear(x.double(), net.w.double()), X),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_use_equals_that_of_the_graph(name: str) -> None:
    shape, function, x = WRITTEN[name]
    model = Written(lambda net, x: function(net, x), w=parameter(*shape))
    (wanted,) = flow_behind(model, squares(model(x))).operations.values()
    use = uses(model, x)["w"]
    assert (use.kind, use.fan_in, use.fan_out) == (wanted.kind, wanted.fan_in, wanted.fan_out)
    assert (use.unit_axis, use.groups) == (wanted.unit_axis, wanted.groups)
    assert not use.transformed


@pytest.mark.parametrize("name", ["F.linear", "x @ w", "convolution"])
def test_input_and_output_are_measured(name: str) -> None:
    shape, function, x = WRITTEN[name]
    model = Written(lambda net, x: function(net, x), w=parameter(*shape))
    use, output = uses(model, x)["w"], model(x).detach()
    assert use.input is not None
    assert use.output is not None
    assert use.input.rms == pytest.approx(float(x.square().mean().sqrt()), rel=1e-5)
    assert use.output.rms == pytest.approx(float(output.square().mean().sqrt()), rel=1e-5)
    assert use.output.numel == output.numel()


def test_uses_are_in_order_and_calls_are_counted() -> None:
    def forward(net: Any, tokens: Tensor) -> Tensor:
        x = net.norm(net.embedding(tokens))
        for _ in range(10):
            x = net.last(x)
        return cast(Tensor, net.first(x))

    model = Written(
        forward, first=nn.Linear(6, 2), last=nn.Linear(6, 6), norm=nn.LayerNorm(6), embedding=nn.Embedding(9, 6)
    )
    found = uses(model, torch.arange(5))
    assert {name: (use.kind, use.calls) for name, use in found.items()} == {
        "embedding.weight": ("embedding", 1),
        "norm.weight": ("norm", 1),
        "last.weight": ("linear", 10),
        "first.weight": ("linear", 1),
    }
    assert list(found) == ["embedding.weight", "norm.weight", "last.weight", "first.weight"]
    assert (found["embedding.weight"].fan_in, found["embedding.weight"].fan_out) == (1, 6)


class Double(torch.autograd.Function):
    """A linear layer with its own backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        return 2 * x @ weight.t()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def hidden_by_function(net: Any, x: Tensor) -> Tensor:
    return cast(Tensor, Double.apply(x, net.w))  # type: ignore[no-untyped-call]


def hidden_by_no_grad(net: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return F.linear(x, net.w).relu()


HIDDEN = {"a function of its own": hidden_by_function, "no_grad": hidden_by_no_grad}


@pytest.mark.parametrize("name", HIDDEN)
def test_weights_missing_in_the_graph_are_found(name: str) -> None:
    model = Written(lambda net, x: net.head(HIDDEN[name](net, x)), w=parameter(7, 6), head=nn.Linear(7, 2))
    flow = flow_behind(model, squares(model(X)))
    assert not [operation for operation in flow.operations.values() if "w" in operation.weights]
    found = uses(model, X, grad=True)
    assert (found["w"].fan_in, found["w"].fan_out, found["w"].unit_axis) == (6, 7, 0)
    assert list(found) == ["w", "head.weight"]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_module_is_traced() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 2)))
    assert [(name, use.fan_in, use.fan_out) for name, use in uses(model, X).items()] == [
        ("0.weight", 6, 7),
        ("2.weight", 7, 2),
    ]


def test_the_factors_of_a_weight_are_reported_as_transformed() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 7)))
    found = uses(model, X)
    assert set(found) == {"0.parametrizations.weight.original0", "0.parametrizations.weight.original1"}
    assert all(use.transformed and (use.fan_in, use.fan_out) == (6, 7) for use in found.values())


def test_a_new_tensor_like_a_parameter_is_not_a_weight() -> None:
    model = Written(
        lambda net, x: F.linear(net.w.new_zeros(2, 6), net.w) + torch.zeros_like(net.w)[0, 0], w=parameter(7, 6)
    )
    use = uses(model, X)["w"]
    assert use.input is not None
    assert use.input.rms == 0


def test_parameters_that_share_a_storage_are_separate() -> None:
    flat = torch.randn(6 * 7 + 7 * 2)
    one, two = nn.Parameter(flat[: 6 * 7].view(7, 6)), nn.Parameter(flat[6 * 7 :].view(2, 7))
    found = uses(Written(lambda net, x: F.linear(F.linear(x, net.one), net.two), one=one, two=two), X)
    assert [(name, use.fan_in, use.fan_out) for name, use in found.items()] == [("one", 6, 7), ("two", 7, 2)]


@pytest.mark.parametrize(("kind", "rows"), [(nn.LSTM, 5), (nn.GRU, 15)])
def test_recurrent_layers(kind: Callable[..., nn.Module], rows: int) -> None:
    """A fused layer shows its number of gates; an unrolled one is a product of matrices."""
    model = Written(lambda net, x: net.cell(x)[0], cell=kind(6, 5, batch_first=True))
    found = uses(model, SEQUENCES)
    assert {name: (use.fan_in, use.fan_out) for name, use in found.items()} == {
        "cell.weight_ih_l0": (6, rows),
        "cell.weight_hh_l0": (5, rows),
    }


def test_random_state_is_not_affected() -> None:
    model = Written(lambda net, x: F.dropout(net.layer(x), 0.5), layer=nn.Linear(6, 7))
    torch.manual_seed(3)
    wanted = model(X)
    torch.manual_seed(3)
    outputs: list[Tensor] = []
    traced(lambda: outputs.append(model(X)), dict(model.named_parameters()))
    assert torch.equal(outputs[0], wanted)
