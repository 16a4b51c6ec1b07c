"""Statistics of tensors that are read in pieces equal those of tensors read as a whole, with bounded memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.statistics import pieces
from inithealth.record.statistics.exact import exact, norm_of
from inithealth.record.statistics.gradients import gradient_norms, repeated_gradients
from inithealth.record.statistics.pieces import by_rows, in_pieces, is_large
from inithealth.record.statistics.stacks import slice_rms
from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.recording import Layer, Weight

LARGE = 4000
LAYOUTS = ("contiguous", "turned", "columns", "every second")


def laid_out(values: Tensor, layout: str) -> Tensor:
    """Return a matrix with the same values in another order of memory."""
    if layout == "turned":
        return values.t().contiguous().t()
    if layout == "columns":
        return torch.cat([values, values], 1)[:, : values.shape[1]]
    return torch.stack([values, values], -1)[..., 0] if layout == "every second" else values


def drawn() -> Tensor:
    return torch.randn(97, 112, generator=torch.Generator().manual_seed(0)) * 0.1


def weights() -> dict[str, Tensor]:
    normal, repeated, zeros, odd = drawn(), drawn(), drawn(), drawn()
    repeated[40:60] = repeated[3]
    zeros[5:30], zeros[40] = 0.0, -0.0
    odd[3, 4], odd[80, 2] = torch.nan, torch.inf
    return {
        "normal": normal,
        "uniform": torch.rand(97, 112, generator=torch.Generator().manual_seed(0)),
        "repeated": repeated,
        "zeros": zeros,
        "odd": odd,
        "huge": normal * 1e20,
        "tiny": normal * 1e-25,
        "constant": torch.full((97, 112), 0.3),
        "nothing": torch.zeros(97, 112),
        "identity": torch.eye(97, 112),
        "orthogonal": nn.init.orthogonal_(torch.empty(97, 112)),
        "tall": nn.init.orthogonal_(torch.empty(400, 30)),
        "wide": nn.init.orthogonal_(torch.empty(20, 500)),
        "few": drawn().view(7, -1),
    }


def fields(weight: Tensor, axis: int, groups: int = 1) -> dict[str, Any]:
    bias = torch.arange(float(weight.shape[axis])) % 2
    found = describe("w", weight, fan_in=1, fan_out=1, rows=unit_rows(weight, axis), bias=bias, groups=groups)
    assert found is not None
    return found.model_dump()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", weights())
def test_a_weight_has_the_same_statistics(
    name: str, layout: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = laid_out(weights()[name].to(dtype), layout)
    for axis in (0, 1):
        whole = fields(weight, axis)
        with monkeypatch.context() as patch:
            patch.setattr(pieces, "LARGE", weight.numel() // 3)
            found = fields(weight, axis)
        if dtype.itemsize == 2:
            del whole["fingerprint"], found["fingerprint"]  # of the bits in half precision
        exactly = {"duplicate_rows", "zero_rows", "non_finite", "constant", "orthogonal", "identity", "fingerprint"}
        for field, value in whole.items():
            if field in exactly or not isinstance(value, float):
                assert found[field] == value, field
            else:  # the power iteration may start from another row
                error = 5e-2 if field == "spectral_edge" else 1e-4
                assert found[field] == pytest.approx(value, rel=error, abs=1e-7, nan_ok=True), field


def test_units_of_groups_and_their_biases(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = drawn()[:96].repeat(2, 1)
    whole = [fields(weight, 0, groups) for groups in (1, 2, 4)]
    monkeypatch.setattr(pieces, "LARGE", LARGE)
    assert [fields(weight, 0, groups)["duplicate_rows"] for groups in (1, 2, 4)] == [0.5, 0.0, 0.0]
    assert [each["duplicate_rows"] for each in whole] == [0.5, 0.0, 0.0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_element_is_in_one_piece(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = laid_out(drawn(), layout)
    assert len(list(in_pieces(values))) == 1
    monkeypatch.setattr(pieces, "LARGE", LARGE)
    assert is_large(values)
    for each in (values, values[None], values.reshape(97, 7, 16), values.flatten()):
        found = list(in_pieces(each))
        assert max(map(len, found)) < LARGE
        assert torch.equal(
            torch.cat([piece.flatten() for piece in found]).sort().values, values.flatten().sort().values
        )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_of_rows(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = laid_out(drawn(), layout)
    monkeypatch.setattr(pieces, "LARGE", LARGE)
    assert torch.equal(by_rows(values, lambda rows: rows.amax(1)), values.amax(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", weights())
def test_a_gradient_has_the_same_norm_and_repeats(
    name: str, layout: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradient = laid_out(weights()[name].to(dtype), layout)

    def measured() -> tuple[float, float]:
        layer = Layer.model_construct(
            name="a", kind="linear", weight=Weight.model_construct(name="w"), unit_axis=0, groups=1
        )
        return gradient_norms({"w": gradient})["w"], repeated_gradients([layer], {"w": gradient}).get("a", 0.0)

    whole = measured()
    monkeypatch.setattr(pieces, "LARGE", gradient.numel() // 3)
    assert measured() == pytest.approx(whole, rel=1e-5, nan_ok=True)


def test_a_large_stack_and_a_large_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = drawn().view(7, 97, 16)
    whole, signal = slice_rms(stack), exact(stack.half())
    monkeypatch.setattr(pieces, "LARGE", 700)
    assert slice_rms(stack) == pytest.approx(whole)
    found = exact(stack.half())
    assert found is not None
    assert signal is not None
    assert found.float16
    for field, value in signal.model_dump(exclude_none=True).items():
        assert getattr(found, field) == pytest.approx(value, rel=1e-5, abs=1e-7), field
    assert norm_of(stack).item() == pytest.approx(exact(stack).norm)  # type: ignore[union-attr]


_MEMORY = """
import resource, sys
import torch
from inithealth.record.statistics import pieces
from inithealth.record.statistics.gradients import gradient_norms, repeated_gradients
from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.recording import Layer, Weight

torch.set_num_threads(1)
dtype, axis, kind = getattr(torch, sys.argv[1]), int(sys.argv[2]), sys.argv[3]
pieces.LARGE = 2**20

def measure(weight):
    describe("w", weight, fan_in=1, fan_out=1, rows=unit_rows(weight, axis))
    gradient_norms({"w": weight})
    layer = Layer.model_construct(
        name="a", kind="linear", weight=Weight.model_construct(name="w"), unit_axis=axis, groups=1
    )
    repeated_gradients([layer], {"w": weight})

measure(torch.randn(64, 128).to(dtype))
weight = torch.empty(4096, 8192, dtype=dtype)
for row in weight:
    row.copy_(torch.randn(8192))
if kind == "zeros":
    weight[5:3000] = 0.0
elif kind == "repeated":
    weight.select(axis, 7).copy_(weight.select(axis, 4000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
measure(weight)
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(used / 2 ** (20 if sys.platform == "darwin" else 10))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no module `resource`")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("axis", "kind"), [(0, "zeros"), (1, "repeated")])
def test_the_memory_is_bounded(dtype: str, axis: int, kind: str) -> None:
    command = [sys.executable, "-c", _MEMORY, dtype, str(axis), kind]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert float(found.stdout) < 96  # MB, for a weight of 2^25 elements: 64 of a sample in fp32, and freed blocks
