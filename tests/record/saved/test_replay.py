"""Recomputed outputs, compared with the modules' outputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from inithealth.record.graph.flow import Flow
from inithealth.record.graph.operations import Operation
from inithealth.record.saved import replay
from tests.record.reading import flow_behind, operation_of, squares
from tests.record.twins import numbers

BUILDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(4, 7), (5, 4)),
    "linear of sequences": (lambda: nn.Linear(4, 7), (5, 3, 4)),
    "linear without bias": (lambda: nn.Linear(4, 7, bias=False), (5, 4)),
    "convolution": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (5, 4, 9, 9)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), (5, 4, 5, 5)),
    "one-dimensional": (lambda: nn.Conv1d(4, 6, 3, padding="same"), (5, 4, 9)),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(4, 7)), (5, 4)),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(4, 7)), (5, 4)),
    "layer norm": (lambda: nn.LayerNorm(4), (5, 3, 4)),
}


def replayed(flow: Flow, operation: Operation, model: nn.Module, rows: int | None = None) -> replay.Replayed:
    found = replay.forward(flow, operation.node, dict(model.named_parameters()).get, rows)
    assert found is not None
    return found


def same_values(one: Tensor, other: Tensor) -> bool:
    return one.numel() == other.numel() and torch.allclose(one.reshape(-1), other.detach().reshape(-1), atol=1e-6)


# For a constant input torch does not save the weight, so one computed from parameters is freed.
KEPT = [(name, revealed) for name in BUILDS for revealed in (True, False) if revealed or name[-4:] != "norm"]


@pytest.mark.parametrize(("name", "revealed"), [*KEPT, ("layer norm", False)])
def test_a_recomputed_operation_gives_its_modules_output(name: str, revealed: bool) -> None:
    build, shape = BUILDS[name]
    model, x = build(), torch.randn(shape, requires_grad=revealed)
    output = model(x)
    flow = flow_behind(model, squares(output))
    (operation,) = flow.operations.values()
    found = replayed(flow, operation, model)
    assert same_values(found.output, output)
    assert found.input is not None
    assert same_values(found.input, x)
    assert not found.output.requires_grad


@pytest.mark.parametrize("name", ["linear", "convolution"])
def test_only_the_first_rows_are_computed_if_requested(name: str) -> None:
    build, shape = BUILDS[name]
    model, x = build(), torch.randn(shape)
    output = model(x)
    flow = flow_behind(model, squares(output))
    found = replayed(flow, next(iter(flow.operations.values())), model, rows=2)
    assert same_values(found.output, output[:2])


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "x @ w.t()": lambda x, w: x @ w.t(),
    "x @ w.T": lambda x, w: x @ w.T,
    "x @ w.mT": lambda x, w: x @ w.mT,
    "w @ x.t()": lambda x, w: w @ x.t(),
    "einsum": lambda x, w: torch.einsum("bi,oi->bo", x, w),
    "addmm": lambda x, w: torch.addmm(torch.zeros(7), x, w.t()),
}


TAKEN = [(way, revealed) for way in WAYS for revealed in (True, False)]


@pytest.mark.parametrize(("way", "revealed"), TAKEN)
def test_products_written_differently_are_recomputed(way: str, revealed: bool) -> None:
    model = nn.Module()
    model.w = nn.Parameter(torch.randn(7, 4))
    output = WAYS[way](torch.randn(5, 4, requires_grad=revealed), model.w)
    flow = flow_behind(model, squares(output))
    found = replayed(flow, operation_of(flow, "w"), model)
    assert sorted(numbers(found.output)) == pytest.approx(sorted(numbers(output)), abs=1e-5)


def test_an_embedding_lookup_is_repeated() -> None:
    model, tokens = nn.Embedding(9, 3), torch.tensor([[1, 2], [3, 3]])
    output = model(tokens)
    flow = flow_behind(model, squares(output))
    assert same_values(replayed(flow, operation_of(flow, "weight"), model).output, output)


def test_operands_that_were_not_saved_give_no_result() -> None:
    """A fused recurrent layer, or a tensor that was changed in place."""
    lstm = nn.LSTM(4, 3)
    flow = flow_behind(lstm, squares(lstm(torch.randn(2, 5, 4))))
    for node in flow.operations:
        assert replay.forward(flow, node, dict(lstm.named_parameters()).get, None) is None
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    flow = flow_behind(model, squares(model(x)))
    x.zero_()
    assert replay.forward(flow, operation_of(flow, "weight").node, dict(model.named_parameters()).get, None) is None
