"""Operations that use a weight: fans, unit axis and groups, compared with brute-force counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from inithealth.record.graph.operations import Operation
from tests.record.reading import flow_behind, operation_of, squares


class Function(nn.Module):
    """A function of the input, a weight and a bias."""

    def __init__(self, shape: tuple[int, ...], function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(shape)), nn.Parameter(torch.randn(7))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight, self.bias)


Case = tuple[Callable[[], nn.Module], tuple[int, ...]]  # a model with one weight, the shape of its input

MATRICES: dict[str, Case] = {
    "nn.Linear": (lambda: nn.Linear(4, 7), (5, 4)),
    "nn.Linear of sequences": (lambda: nn.Linear(4, 7), (5, 3, 4)),
    "nn.Linear without bias": (lambda: nn.Linear(4, 7, bias=False), (5, 3, 4)),
    "one unit": (lambda: nn.Linear(4, 1), (5, 4)),
    "one input": (lambda: nn.Linear(1, 7), (5, 1)),
    "F.linear": (lambda: Function((7, 4), lambda x, w, b: F.linear(x, w, b)), (5, 4)),
    "x @ w": (lambda: Function((4, 7), lambda x, w, b: x @ w), (5, 4)),
    "x @ w + b, sequences": (lambda: Function((4, 7), lambda x, w, b: x @ w + b), (5, 3, 4)),
    "x @ w.t()": (lambda: Function((7, 4), lambda x, w, b: x @ w.t() + b), (5, 4)),
    "x @ w.t().t().t()": (lambda: Function((7, 4), lambda x, w, b: x @ w.t().t().t()), (5, 4)),
    "x @ w.mT": (lambda: Function((7, 4), lambda x, w, b: x @ w.mT), (5, 4)),
    "(w @ x.t()).t()": (lambda: Function((7, 4), lambda x, w, b: (w @ x.t()).t()), (5, 4)),
    "w @ x, sequences": (lambda: Function((7, 4), lambda x, w, b: (w @ x.transpose(1, 2)).transpose(1, 2)), (5, 3, 4)),
    "addmm, as in Conv1D": (lambda: Function((4, 7), lambda x, w, b: torch.addmm(b, x, w)), (5, 4)),
    "x @ w.T": (lambda: Function((7, 4), lambda x, w, b: x @ w.T), (5, 4)),
    "x @ w.permute(1, 0)": (lambda: Function((7, 4), lambda x, w, b: x @ w.permute(1, 0) + b), (5, 3, 4)),
    "x @ w.permute(0, 1)": (lambda: Function((4, 7), lambda x, w, b: x @ w.permute(0, 1)), (5, 4)),
    "tensordot": (lambda: Function((4, 7), lambda x, w, b: torch.tensordot(x, w, 1)), (5, 3, 4)),
}
VECTORS: dict[str, Case] = {"x @ vector": (lambda: Function((4,), lambda x, w, b: (x @ w)[:, None]), (5, 4))}
EINSUMS: dict[str, Case] = {
    "bi,io->bo": (lambda: Function((4, 7), lambda x, w, b: torch.einsum("bi,io->bo", x, w)), (5, 4)),
    "bti,oi->bto": (lambda: Function((7, 4), lambda x, w, b: torch.einsum("bti,oi->bto", x, w)), (5, 3, 4)),
}
HEADS: dict[str, Case] = {
    "bti,ihd->bthd": (lambda: Function((4, 2, 3), lambda x, w, b: torch.einsum("bti,ihd->bthd", x, w)), (5, 3, 4)),
    "bti,hio->btho": (lambda: Function((2, 4, 3), lambda x, w, b: torch.einsum("bti,hio->btho", x, w)), (5, 3, 4)),
}
CONVOLUTIONS: dict[str, Case] = {
    "nn.Conv1d": (lambda: nn.Conv1d(4, 7, 3), (2, 4, 12)),
    "nn.Conv2d": (lambda: nn.Conv2d(4, 6, 3), (2, 4, 9, 9)),
    "nn.Conv3d": (lambda: nn.Conv3d(2, 3, 3), (2, 2, 7, 7, 7)),
    "1 x 1": (lambda: nn.Conv2d(4, 6, 1), (2, 4, 5, 5)),
    "dilated": (lambda: nn.Conv2d(4, 6, 3, dilation=2), (2, 4, 13, 13)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), (2, 4, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (2, 4, 9, 9)),
    "depthwise, two of each": (lambda: nn.Conv2d(4, 8, 3, groups=4), (2, 4, 9, 9)),
    "F.conv2d": (lambda: Function((7, 4, 3, 3), lambda x, w, b: F.conv2d(x, w, b)), (2, 4, 9, 9)),
}
TRANSPOSED: dict[str, Case] = {
    "stride 1": (lambda: nn.ConvTranspose2d(4, 6, 3), (2, 4, 9, 9)),
    "stride 2": (lambda: nn.ConvTranspose2d(4, 6, 4, stride=2), (2, 4, 9, 9)),
    "grouped": (lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2), (2, 4, 9, 9)),
    "1d": (lambda: nn.ConvTranspose1d(4, 6, 4, stride=2), (2, 4, 12)),
}
ALL = {**MATRICES, **VECTORS, **EINSUMS, **HEADS, **CONVOLUTIONS, **TRANSPOSED}


def operation(model: nn.Module, x: Tensor) -> Operation:
    return operation_of(flow_behind(model, squares(model(x))), "weight")


def counted(model: nn.Module, x: Tensor) -> tuple[int, int]:
    """Return how many inputs an output depends on, and how many outputs an input affects, away from the borders."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.ones_like(parameter) if parameter is model.weight else torch.zeros_like(parameter))
    ones = torch.ones_like(x, requires_grad=True)
    output = model(ones)
    output.sum().backward()
    assert ones.grad is not None
    return round(float(output.detach().max())), round(float(ones.grad.max()))


@pytest.mark.parametrize("name", ALL)
def test_fans_equal_the_counts(name: str) -> None:
    build, shape = ALL[name]
    found = operation(build(), torch.randn(shape))
    assert (found.fan_in, found.fan_out) == counted(build(), torch.randn(shape))


@pytest.mark.parametrize("name", ALL)
def test_the_output_scale_follows_from_fan_in(name: str) -> None:
    """rms(out) = rms(x) rms(w) sqrt(fan_in) for uncorrelated values, away from the borders."""
    build, shape = ALL[name]
    model, x = build(), torch.randn(64, *shape[1:])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        squared = []
        for _ in range(60):
            model.weight.normal_()
            output = model(x)
            inner = tuple(slice(size // 2 - 1, size // 2 + 1) for size in output.shape[2:])
            output = output[(..., *inner)] if isinstance(model, nn.modules.conv._ConvNd) else output
            squared.append(float(output.square().mean()))
    fan_in = operation(model, x).fan_in
    assert fan_in is not None
    assert sum(squared) / len(squared) == pytest.approx(fan_in, rel=0.25)


def moved_features(model: nn.Module, x: Tensor, axis: int, unit: int) -> set[int]:
    """Return the output features that change when one slice of the weight changes."""
    channels = 1 if isinstance(model, nn.modules.conv._ConvNd) or model.weight.ndim > 3 else -1
    with torch.no_grad():
        before = model(x)
        model.weight.select(axis, unit).add_(1.0)
        changed = (model(x) != before).movedim(channels, 0).flatten(1).any(1)
    return {at for at, each in enumerate(changed.tolist()) if each}


@pytest.mark.parametrize("name", {**MATRICES, **CONVOLUTIONS, **TRANSPOSED})
def test_a_slice_along_the_unit_axis_is_a_unit(name: str) -> None:
    build, shape = ALL[name]
    model, x = build(), torch.rand(shape) + 0.5
    found = operation(model, x)
    assert found.unit_axis is not None
    per_slice = found.groups if found.unit_axis == 1 else 1
    units = model.weight.shape[found.unit_axis]
    moved = [moved_features(model, x, found.unit_axis, unit) for unit in range(units)]
    assert [len(features) for features in moved] == [per_slice] * units
    assert set().union(*moved) == set(range(units * per_slice))


@pytest.mark.parametrize("name", EINSUMS)
def test_a_matrix_in_an_einsum_has_its_unit_axis(name: str) -> None:
    build, shape = EINSUMS[name]
    model, x = build(), torch.rand(shape) + 0.5
    axis = operation(model, x).unit_axis
    assert axis is not None
    assert moved_features(model, x, axis, 2) == {2}


@pytest.mark.parametrize("name", HEADS)
def test_there_is_no_unit_axis_if_several_axes_index_units(name: str) -> None:
    build, shape = HEADS[name]
    assert operation(build(), torch.randn(shape)).unit_axis is None


@pytest.mark.parametrize(("name", "groups"), [("grouped", 2), ("depthwise", 4), ("nn.Conv2d", 1), ("nn.Linear", 1)])
def test_groups(name: str, groups: int) -> None:
    build, shape = ALL[name]
    assert operation(build(), torch.randn(shape)).groups == groups


def test_experts_are_groups_with_their_own_inputs() -> None:
    model = Function((3, 4, 7), lambda x, w, b: torch.bmm(x, w))
    found = operation(model, torch.randn(3, 5, 4))
    assert (found.kind, found.groups, found.fan_in, found.fan_out) == ("bmm", 3, 4, 7)
    assert found.unit_axis in (None, 2)


@pytest.mark.parametrize("name", ["nn.Linear", "F.linear", "addmm, as in Conv1D", "x @ w.t()", "nn.Conv2d", "F.conv2d"])
def test_the_bias_belongs_to_its_weight(name: str) -> None:
    build, shape = ALL[name]
    assert operation(build(), torch.randn(shape)).bias == "bias"


def test_weights_that_only_a_custom_operation_reads() -> None:
    embedding = nn.Embedding(9, 3)
    found = operation(embedding, torch.arange(5))
    assert (found.kind, found.fan_in, found.fan_out, found.unit_axis) == ("embedding", 1, 3, 0)
    bag = nn.EmbeddingBag(9, 3)
    assert operation_of(flow_behind(bag, squares(bag(torch.arange(4).view(2, 2)))), "weight").kind == "embedding"
    bilinear = nn.Bilinear(4, 5, 3)
    flow = flow_behind(bilinear, squares(bilinear(torch.randn(2, 4), torch.randn(2, 5))))
    assert (operation_of(flow, "weight").kind, operation_of(flow, "weight").fan_in) == ("bilinear", 20)


def test_a_fused_recurrent_layer_is_one_operation_per_direction() -> None:
    model = nn.LSTM(4, 6, num_layers=2, bidirectional=True, batch_first=True)
    flow = flow_behind(model, squares(model(torch.randn(2, 3, 4))))
    assert {(each.kind, each.weights[0], each.fan_in) for each in flow.operations.values()} == {
        ("rnn", "weight_ih_l0", 4),
        ("rnn", "weight_ih_l0_reverse", 4),
        ("rnn", "weight_ih_l1", 12),
        ("rnn", "weight_ih_l1_reverse", 12),
    }
    assert len(flow.operations) == 4


def test_an_unrolled_recurrent_layer_uses_its_weight_each_time() -> None:
    model = nn.GRU(4, 6, batch_first=True)
    flow = flow_behind(model, squares(model(torch.randn(2, 5, 4))))
    uses = [operation.weights for operation in flow.operations.values()]
    assert uses.count(("weight_hh_l0",)) == 5


PARAMETRIZED: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "old weight norm": nn.utils.weight_norm,
    "old spectral norm": nn.utils.spectral_norm,
}


@pytest.mark.parametrize("name", PARAMETRIZED)
@pytest.mark.filterwarnings("ignore:.torch.nn.utils.(weight|spectral)_norm. is deprecated:FutureWarning")
def test_a_weight_computed_from_parameters_is_one_operation(name: str) -> None:
    model = nn.Sequential(PARAMETRIZED[name](nn.Linear(7, 7)), nn.ReLU())
    flow = flow_behind(model, squares(model(torch.randn(3, 7))))
    (found,) = flow.operations.values()
    assert found.transformed
    assert set(found.weights) == {key for key, _ in model.named_parameters() if "bias" not in key}
    assert (found.kind, found.fan_in, found.fan_out, found.bias) == ("linear", 7, 7, "0.bias")


def test_an_orthogonal_weight_computed_as_a_product_is_one_operation() -> None:
    model = nn.Sequential(parametrizations.orthogonal(nn.Linear(4, 7)), nn.ReLU())
    (found,) = flow_behind(model, squares(model(torch.randn(3, 4, requires_grad=True)))).operations.values()
    assert found.weights == ("0.parametrizations.weight.original",)
    assert (found.kind, found.fan_in, found.fan_out) == ("linear", 4, 7)


def test_norms_and_learned_scales_are_operations_too() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.scale = nn.LayerNorm(4), nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) * self.scale

    model = Scaled()
    found = {o.weights: o for o in flow_behind(model, squares(model(torch.randn(3, 4)))).operations.values()}
    assert {weights: operation.kind for weights, operation in found.items()} == {
        ("norm.weight",): "norm",
        ("scale",): "scale",
    }
    assert found["norm.weight",].bias == "norm.bias"


def test_a_product_of_two_signals_is_not_an_operation() -> None:
    class Similar(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.query(x) @ self.key(x).transpose(-1, -2)

    model = Similar()
    for x in (torch.randn(5, 4), torch.randn(2, 5, 4)):
        weights = [o.weights for o in flow_behind(model, squares(model(x))).operations.values()]
        assert sorted(weights) == [("key.weight",), ("query.weight",)]


def test_half_precision_autocast_is_looked_through() -> None:
    model = nn.Linear(4, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = operation(model, torch.randn(5, 4))
    assert (found.fan_in, found.fan_out, found.unit_axis, found.bias) == (4, 7, 0, "bias")
