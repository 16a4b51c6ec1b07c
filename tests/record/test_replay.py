"""What a node computed, against what the module gave; and the loss read from its last nodes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from inithealth.record import replay
from inithealth.record.flow import Flow
from inithealth.record.operations import Operation
from tests.record.reading import flow_behind, operation_of, read, squares
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


# Of a constant input torch saves the weight no more: one made from parameters is gone.
KEPT = [(name, revealed) for name in BUILDS for revealed in (True, False) if revealed or name[-4:] != "norm"]


@pytest.mark.parametrize(("name", "revealed"), [*KEPT, ("layer norm", False)])
def test_an_operation_computed_again_gives_what_its_module_gave(name: str, revealed: bool) -> None:
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
def test_of_some_rows_the_first_are_computed(name: str) -> None:
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
def test_products_written_in_other_ways_are_computed_again_too(way: str, revealed: bool) -> None:
    model = nn.Module()
    model.w = nn.Parameter(torch.randn(7, 4))
    output = WAYS[way](torch.randn(5, 4, requires_grad=revealed), model.w)
    flow = flow_behind(model, squares(output))
    found = replayed(flow, operation_of(flow, "w"), model)
    assert sorted(numbers(found.output)) == pytest.approx(sorted(numbers(output)), abs=1e-5)


def test_an_embedding_is_looked_up_again() -> None:
    model, tokens = nn.Embedding(9, 3), torch.tensor([[1, 2], [3, 3]])
    output = model(tokens)
    flow = flow_behind(model, squares(output))
    assert same_values(replayed(flow, operation_of(flow, "weight"), model).output, output)


def test_what_was_not_saved_is_not_made_up() -> None:
    """A fused recurrent layer; a tensor that was changed in place since."""
    lstm = nn.LSTM(4, 3)
    flow = flow_behind(lstm, squares(lstm(torch.randn(2, 5, 4))))
    for node in flow.operations:
        assert replay.forward(flow, node, dict(lstm.named_parameters()).get, None) is None
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    flow = flow_behind(model, squares(model(x)))
    x.zero_()
    assert replay.forward(flow, operation_of(flow, "weight").node, dict(model.named_parameters()).get, None) is None


def test_the_weight_as_it_was_used_is_the_normed_one() -> None:
    model = parametrizations.weight_norm(nn.Linear(4, 7))
    with torch.no_grad():
        model.parametrizations.weight.original0.mul_(3)
    flow = flow_behind(model, squares(model(torch.randn(5, 4, requires_grad=True))))
    (operation,) = flow.operations.values()
    used = replay.operand_tensor(flow.graph, operation)
    assert used is not None
    assert torch.allclose(used.t(), model.weight)


def test_the_inputs_between_share_is_that_of_what_the_head_reads() -> None:
    """All samples alike but for a little noise: (noise^2) of the mean square differs."""
    x = torch.ones(64, 50) + 0.1 * torch.randn(64, 50)
    model = nn.Linear(50, 3)
    flow = flow_behind(model, squares(model(x)))
    share = replay.between_inputs(flow, operation_of(flow, "weight").node, None)
    columns = [[row[at] for row in x.tolist()] for at in range(50)]
    variances = [sum((v - sum(c) / 64) ** 2 for v in c) / 64 for c in columns]
    assert share == pytest.approx(sum(variances) / 50 / (sum(v * v for c in columns for v in c) / 3200), rel=1e-6)
    assert share == pytest.approx(0.01, rel=0.1)


LABELS = torch.tensor([0, 2, 1, 2, 0])
LOSSES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.cross_entropy": ("cross_entropy", lambda y: F.cross_entropy(y, LABELS)),
    "log_softmax and nll": ("cross_entropy", lambda y: F.nll_loss(y.log_softmax(1), LABELS)),
    "label smoothing": ("cross_entropy", lambda y: F.cross_entropy(y, LABELS, label_smoothing=0.1)),
    "weighted and summed": ("cross_entropy", lambda y: F.cross_entropy(y, LABELS, torch.ones(3), reduction="sum")),
    "scaled, plus a penalty": ("cross_entropy", lambda y: 0.5 * F.cross_entropy(y, LABELS) + 1e-3 * y.square().mean()),
    "picked by hand": ("cross_entropy", lambda y: -y.log_softmax(-1).gather(1, LABELS[:, None]).mean()),
    "soft targets": ("cross_entropy", lambda y: F.cross_entropy(y, torch.full((5, 3), 1 / 3))),
    "mse": ("mse", lambda y: F.mse_loss(y, torch.zeros(5, 3))),
    "huber": ("huber", lambda y: F.huber_loss(y, torch.zeros(5, 3))),
    "bce": ("bce", lambda y: F.binary_cross_entropy(y.sigmoid(), torch.ones(5, 3))),
    "bce with logits": ("bce_logits", lambda y: F.binary_cross_entropy_with_logits(y, torch.ones(5, 3))),
    "something else": ("unknown", lambda y: y.square().sum()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_kind_of_a_loss(name: str) -> None:
    kind, loss = LOSSES[name]
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    assert read(model, torch.randn(5, 4), loss=loss).recorder.observer.loss.kind == kind


@pytest.mark.parametrize("name", [name for name, (kind, _) in LOSSES.items() if kind not in ("unknown", "bce")])
def test_the_kind_of_a_loss_after_its_backward_pass(name: str) -> None:
    kind, loss = LOSSES[name]
    model = nn.Linear(4, 3)
    output = model(torch.randn(5, 4))
    value = loss(output)
    value.backward()
    found = replay.loss_after_backward(value.grad_fn, replay.spreads([output]))
    assert found.kind == kind


def spread(logits: list[list[float]]) -> float:
    """sqrt of the mean variance over the classes of each sample."""
    variances = [sum((v - sum(row) / len(row)) ** 2 for v in row) / len(row) for row in logits]
    return math.sqrt(sum(variances) / len(variances))


def test_classes_and_spread_of_the_logits() -> None:
    model = nn.Linear(4, 3)
    output = model(torch.randn(5, 4))
    value = F.cross_entropy(output, LABELS)
    found = replay.loss_of(flow_behind(model, value), None)
    assert (found.classes, found.sums_to_one) == (3, False)
    assert found.logits_std == pytest.approx(spread(output.tolist()), rel=1e-4)
    value.backward()
    later = replay.loss_after_backward(value.grad_fn, replay.spreads([output]))
    assert (later.classes, later.sums_to_one) == (3, False)
    assert later.logits_std == pytest.approx(spread(output.tolist()), rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 4)])
def test_classes_are_counted_where_they_are(shape: tuple[int, ...]) -> None:
    """Of images and sequences the classes are on axis 1."""
    model = nn.Linear(shape[-1], shape[-1])
    output = model(torch.randn(shape))
    value = F.cross_entropy(output, torch.zeros((shape[0], *shape[2:]), dtype=torch.int64))
    found = replay.loss_of(flow_behind(model, value), None)
    assert found.classes == 3
    assert found.logits_std == pytest.approx(spread(output.movedim(1, -1).reshape(-1, 3).tolist()), rel=1e-4)


def test_probabilities_given_for_logits_are_told() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1))
    value = F.cross_entropy(model(torch.randn(5, 4)), LABELS)
    assert replay.loss_of(flow_behind(model, value), None).sums_to_one
    assert replay.loss_after_backward(value.grad_fn, {}).sums_to_one


def test_constants_are_the_signals_that_take_no_gradient() -> None:
    x = torch.randn(5, 4)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    hidden = model[0](x).detach()
    flow = flow_behind(model, squares(model[1](hidden)) + squares(model[0](x)))
    found = {constant.address: constant.shape for constant in replay.constants(flow)}
    assert found == {x.data_ptr(): (5, 4), hidden.data_ptr(): (5, 3)}
