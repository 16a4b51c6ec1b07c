"""The predicted output rms, compared with the true one for all kinds of operations, inputs and layouts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.statistics.prediction import predicted_rms

# log2(measured / predicted), 1st and 99th percentile of 12,335 uses in 295 healthy networks
BANDS = {
    "linear": (-0.11, 0.08),
    "conv 1x1": (-0.07, 0.06),
    "conv": (-0.05, 0.08),
    "grouped": (-0.07, 0.08),
    "depthwise": (-0.10, 0.25),
    "transposed": (-0.01, 0.06),
}
SEEDS = range(6)


def rms(tensor: Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt())


def octaves(output: Tensor, predicted: float | None) -> float:
    """Return log2 of the measured rms over the predicted one."""
    assert predicted is not None
    return math.log2(rms(output) / predicted)


def inputs(shape: tuple[int, ...], channel_axis: int) -> dict[str, Tensor]:
    """Return typical signals: centered, after a ReLU, with channels of different means and scales."""
    values = torch.randn(shape)
    turned = values.movedim(channel_axis, -1)
    own = turned * torch.rand(turned.shape[-1]) * 3 + 2 * torch.randn(turned.shape[-1])
    return {"centred": values, "relu": values.relu(), "offset": values + 5, "own": own.movedim(-1, channel_axis)}


def convolution(module: nn.Module, signal: Tensor) -> float | None:
    facts = {name: getattr(module, name) for name in ("groups", "stride", "padding", "dilation", "output_padding")}
    return predicted_rms("conv", signal, module.weight, module.bias, transposed=module.transposed, **facts)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(256, 128), (32, 20, 128), (4, 5, 40, 128)], ids=str)
def test_a_linear_layers_output(shape: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    module = nn.Linear(128, 256)
    for signal in inputs(shape, -1).values():
        low, high = BANDS["linear"]
        assert low < octaves(module(signal), predicted_rms("linear", signal, module.weight, module.bias)) < high


def test_one_sample_is_predicted_exactly() -> None:
    module, signal = nn.Linear(16, 8), torch.randn(16)
    predicted = predicted_rms("linear", signal, module.weight, module.bias)
    assert predicted == pytest.approx(rms(module(signal)), rel=1e-5)


def test_it_equals_the_formula() -> None:
    signal, weight, bias = torch.randn(50, 7) + 1, torch.randn(5, 7), torch.randn(5)
    mean, variance = signal.mean(0), signal.var(0, unbiased=False)
    units = [(row @ mean + b) ** 2 + row.square() @ variance for row, b in zip(weight, bias, strict=True)]
    assert predicted_rms("linear", signal, weight, bias) == pytest.approx(math.sqrt(sum(units) / 5), rel=1e-5)


def test_a_weight_may_be_transposed() -> None:
    signal, weight = torch.randn(30, 7), torch.randn(5, 7)
    turned = predicted_rms("linear", signal, weight.t().contiguous(), units_last=True)
    assert turned == pytest.approx(predicted_rms("linear", signal, weight), rel=1e-6)
    assert predicted_rms("linear", signal, weight, units_last=True) is None


CONVOLUTIONS: list[tuple[str, type[nn.Module], tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = [
    ("conv 1x1", nn.Conv2d, (8, 64, 12, 12), (64, 96, 1), {}),
    ("conv", nn.Conv2d, (8, 64, 12, 12), (64, 96, 3), {"padding": 1}),
    ("conv", nn.Conv2d, (8, 64, 12, 12), (64, 96, 3), {"padding": 2, "dilation": 2}),
    ("conv", nn.Conv2d, (8, 64, 4, 4), (64, 96, 5), {"padding": "same"}),
    ("conv", nn.Conv2d, (64, 12, 12), (64, 96, 3), {"stride": 2}),
    ("conv", nn.Conv2d, (4, 3, 48, 48), (3, 256, 16), {"stride": 16}),
    ("conv", nn.Conv1d, (8, 32, 100), (32, 64, 9), {"padding": 4}),
    ("conv", nn.Conv3d, (4, 16, 6, 6, 6), (16, 64, 3), {"padding": 1}),
    ("grouped", nn.Conv2d, (8, 64, 12, 12), (64, 128, 3), {"padding": 1, "groups": 8}),
    ("depthwise", nn.Conv2d, (8, 512, 8, 8), (512, 512, 3), {"padding": 1, "groups": 512}),
    ("transposed", nn.ConvTranspose2d, (4, 128, 10, 10), (128, 256, 2), {"stride": 2}),
]
# Wider bands where kernels and strides interfere: the measured networks contained no such case.
TRANSPOSED = [
    (nn.ConvTranspose2d, (4, 128, 10, 10), (128, 128, 4), {"stride": 2, "padding": 1}),
    (nn.ConvTranspose2d, (4, 128, 7, 7), (128, 128, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    (nn.ConvTranspose1d, (4, 128, 30), (128, 128, 5), {"stride": 3}),
    (nn.ConvTranspose2d, (4, 256, 8, 8), (256, 256, 3), {"stride": 2, "groups": 8}),
]


@pytest.mark.parametrize("seed", SEEDS[:3])
@pytest.mark.parametrize(("kind", "type_", "shape", "sizes", "options"), CONVOLUTIONS)
def test_a_convolutions_output(
    kind: str, type_: type[nn.Module], shape: tuple[int, ...], sizes: Any, options: Any, seed: int
) -> None:
    torch.manual_seed(seed)
    module = type_(*sizes, **options)
    low, high = BANDS[kind]
    for name, signal in inputs(shape, -len(module.kernel_size) - 1).items():
        if name != "own" or kind not in ("conv 1x1", "transposed"):
            assert low < octaves(module(signal), convolution(module, signal)) < high, name
        else:
            assert abs(octaves(module(signal), convolution(module, signal))) < 0.1, name


@pytest.mark.parametrize(("type_", "shape", "sizes", "options"), TRANSPOSED)
def test_a_transposed_convolutions_output(type_: type[nn.Module], shape: Any, sizes: Any, options: Any) -> None:
    module = type_(*sizes, **options)
    for signal in inputs(shape, 1).values():
        assert abs(octaves(module(signal), convolution(module, signal))) < 0.06


def test_a_constant_input_is_predicted_exactly_including_the_edges() -> None:
    for module in (
        nn.Conv2d(5, 8, 3, padding=1),
        nn.Conv2d(6, 9, (3, 2), stride=2, padding=(2, 1), groups=3),
        nn.ConvTranspose2d(5, 8, 4, stride=2, padding=1, dilation=2),
        nn.Conv2d(5, 8, 11, padding=5),
    ):
        signal = torch.randn(module.in_channels)[:, None, None].expand(-1, 9, 9)[None]
        assert convolution(module, signal) == pytest.approx(rms(module(signal)), rel=1e-4)


@pytest.mark.parametrize("units_last", [True, False])
def test_experts(units_last: bool) -> None:
    signal, weight = torch.randn(6, 40, 32).relu() * torch.arange(1, 7)[:, None, None], torch.randn(6, 32, 48)
    output = torch.bmm(signal, weight)
    predicted = predicted_rms("bmm", signal, weight if units_last else weight.mT, units_last=units_last)
    assert abs(octaves(output, predicted)) < 0.06
    bias = torch.randn(6, 48) * 20
    assert abs(octaves(output + bias[:, None], predicted_rms("bmm", signal, weight, bias, units_last=True))) < 0.06


def test_one_matrix_for_a_whole_batch() -> None:
    signal, weight = torch.randn(6, 40, 32).relu(), torch.randn(32, 48)
    predicted = predicted_rms("bmm", signal, weight.expand(6, -1, -1), units_last=True)
    assert predicted == predicted_rms("linear", signal, weight, units_last=True)
    assert abs(octaves(signal @ weight, predicted)) < 0.06


def test_an_embedding_outputs_the_used_rows() -> None:
    weight = torch.ones(10, 4) * torch.arange(10.0)[:, None]
    assert predicted_rms("embedding", torch.tensor([[3, 4], [3, 4]]), weight) == pytest.approx(math.sqrt(12.5))
    table = torch.randn(50_000, 64)
    tokens = torch.randint(0, 50_000, (64, 512))
    assert abs(octaves(F.embedding(tokens, table), predicted_rms("embedding", tokens, table))) < 0.03


@pytest.mark.parametrize("fault", ["constant", "duplicated"])
def test_structured_weights_deviate_from_uncorrelated_ones_but_not_from_their_own_prediction(fault: str) -> None:
    signal = torch.randn(256, 128).relu()
    row = torch.full((128,), 0.1) if fault == "constant" else (torch.randn(128).abs() * 0.1)
    weight = row.expand(128, 128)
    uncorrelated = math.sqrt(128) * rms(signal) * rms(weight)
    assert octaves(F.linear(signal, weight), uncorrelated) > 1
    assert abs(octaves(F.linear(signal, weight), predicted_rms("linear", signal, weight))) < 0.1


def test_inputs_correlated_along_the_weights_exceed_the_prediction() -> None:
    signal = torch.randn(256, 1) * torch.ones(128)
    weight = torch.full((64, 128), 0.1)
    assert octaves(F.linear(signal, weight), predicted_rms("linear", signal, weight)) > 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision(dtype: torch.dtype) -> None:
    signal, module = torch.randn(64, 32), nn.Linear(32, 48)
    predicted = predicted_rms("linear", signal.to(dtype), module.weight.to(dtype), module.bias.to(dtype))
    assert abs(octaves(module(signal), predicted)) < 0.1
    mixed = predicted_rms("linear", signal.to(dtype), module.weight, module.bias)
    assert abs(octaves(module(signal), mixed)) < 0.1


def test_autocast_does_not_reduce_the_accuracy() -> None:
    signal, module = torch.randn(64, 32) + 9, nn.Linear(32, 48)
    plain = predicted_rms("linear", signal, module.weight, module.bias)
    with torch.autocast("cpu", torch.bfloat16):
        assert predicted_rms("linear", signal, module.weight, module.bias) == plain


@pytest.mark.parametrize(("size", "weight_size"), [(1e-25, 1.0), (1e25, 1.0), (1e-20, 1e-10), (1e20, 1e-30)])
def test_values_whose_squares_are_out_of_range(size: float, weight_size: float) -> None:
    signal, weight = torch.randn(64, 128), torch.randn(128, 128)
    predicted = predicted_rms("linear", signal * size, weight * weight_size)
    assert predicted == pytest.approx(rms(F.linear(signal, weight)) * size * weight_size, rel=0.06)


def test_zeros_are_predicted() -> None:
    assert predicted_rms("linear", torch.randn(8, 4), torch.zeros(3, 4)) == 0.0
    assert predicted_rms("linear", torch.zeros(8, 4), torch.ones(3, 4), torch.full((3,), 2.0)) == pytest.approx(2.0)


@pytest.mark.parametrize("where", ["signal", "weight", "bias"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nothing_is_predicted_from_non_finite_values(where: str, value: float) -> None:
    parts = {"signal": torch.randn(8, 4), "weight": torch.randn(3, 4), "bias": torch.randn(3)}
    parts[where].view(-1)[0] = value
    assert predicted_rms("linear", **parts) is None
    assert predicted_rms("embedding", torch.tensor([0]), torch.full((2, 2), value)) is None


def test_nothing_is_predicted_from_operands_that_do_not_match() -> None:
    signal, weight = torch.randn(8, 4), torch.randn(3, 4)
    assert predicted_rms("rnn", signal, weight) is None
    assert predicted_rms("linear", torch.randn(8, 5), weight) is None
    assert predicted_rms("linear", torch.randn(0, 4), weight) is None
    assert predicted_rms("linear", signal, weight, torch.randn(4)) is None
    assert predicted_rms("linear", signal, torch.randn(2, 2, 3, 4)) is None
    assert predicted_rms("linear", signal, torch.randn(4)) is None
    assert predicted_rms("linear", torch.randint(0, 3, (8, 4)), weight) is None
    assert predicted_rms("linear", signal.to("meta"), weight.to("meta")) is None
    assert predicted_rms("bmm", signal, torch.randn(8, 4, 3)) is None
    assert predicted_rms("bmm", torch.randn(7, 5, 4), torch.randn(8, 3, 4)) is None
    assert predicted_rms("conv", torch.randn(2, 5, 8, 8), torch.randn(3, 4, 3, 3)) is None
    assert predicted_rms("conv", signal, torch.randn(3, 4, 3, 3)) is None
    assert predicted_rms("embedding", torch.zeros(0, dtype=torch.long), weight) is None
    assert predicted_rms("embedding", signal, weight) is None
    assert predicted_rms("embedding", torch.tensor([1]), torch.randn(4)) is None


def test_large_tensors_are_sampled_without_aligning_with_an_axis() -> None:
    signal = torch.randn(64, 256, 128) * torch.linspace(0, 4, 256)[:, None]  # magnitudes change along the sequence
    weight = torch.randn(2048, 128) * torch.arange(1, 5).repeat(512)[:, None]  # every fourth unit is equal
    predicted = predicted_rms("linear", signal, weight)
    assert abs(octaves(F.linear(signal, weight), predicted)) < 0.08
    turned = signal.transpose(0, 1)
    assert abs(octaves(F.linear(turned, weight), predicted_rms("linear", turned, weight))) < 0.08
    pictures = torch.randn(64, 32, 32, 32) * torch.linspace(0, 4, 32)
    kernel = torch.randn(2048, 32, 3, 3)
    found = predicted_rms("conv", pictures, kernel)
    assert abs(octaves(F.conv2d(pictures[::16], kernel), found)) < 0.08


def test_nothing_is_changed() -> None:
    module, signal = nn.Linear(8, 4), torch.randn(16, 8, requires_grad=True)
    before = [signal.clone(), module.weight.clone(), module.bias.clone()]
    state, versions = torch.get_rng_state(), [signal._version, module.weight._version, module.bias._version]
    predicted_rms("linear", signal, module.weight, module.bias)
    assert torch.equal(torch.get_rng_state(), state)
    assert signal.grad is None
    assert [signal._version, module.weight._version, module.bias._version] == versions
    for tensor, copy in zip([signal, module.weight, module.bias], before, strict=True):
        assert torch.equal(tensor, copy)
