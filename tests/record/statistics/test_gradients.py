"""Gradient norms and repeated gradients, compared with brute-force results."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inithealth.record.statistics.exact import LONG
from inithealth.record.statistics.gradients import gradient_norms, repeated_gradients
from inithealth.recording import Layer, Weight
from tests.record import twins

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@st.composite
def gradients(draw: st.DrawFn) -> Tensor:
    values = draw(st.lists(st.floats(-4, 4, width=32) | st.just(0.0), min_size=1, max_size=20))
    size = draw(st.sampled_from((1.0, 0.0, 1e-30, 1e-18, 1e18, 1e30)))
    return (torch.tensor(values, dtype=torch.float64) * size).to(draw(st.sampled_from(DTYPES)))


def norm(tensor: Tensor) -> float:
    values = twins.numbers(tensor)
    top = max(map(abs, values)) or 1.0
    return top * math.sqrt(math.fsum((value / top) ** 2 for value in values))


@given(st.lists(gradients(), max_size=5))
def test_norms_measured_together_equal_those_measured_separately(many: list[Tensor]) -> None:
    finite = [tensor for tensor in many if bool(tensor.isfinite().all())]
    found = gradient_norms({str(at): tensor for at, tensor in enumerate(finite)})
    assert list(found) == [str(at) for at in range(len(finite))]
    assert list(found.values()) == [pytest.approx(norm(tensor), rel=1e-5, abs=0) for tensor in finite]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_one_non_finite_element_affects_only_its_gradient(dtype: torch.dtype, odd: float) -> None:
    broken = torch.ones(1000, dtype=dtype)
    broken[617] = odd
    found = gradient_norms({"broken": broken, "sound": torch.full((4,), 2.0, dtype=dtype)})
    assert not math.isfinite(found["broken"])
    assert found["sound"] == pytest.approx(4.0)


def test_a_norm_is_zero_only_if_every_element_is() -> None:
    faint = torch.zeros(50_000)
    faint[3] = 1e-40
    found = gradient_norms({"zero": torch.zeros(5), "faint": faint})
    assert found == {"zero": 0.0, "faint": pytest.approx(1e-40, rel=1e-3)}


def test_finite_elements_do_not_overflow() -> None:
    found = gradient_norms({"single": torch.full((100,), 3e38), "half": torch.full((100,), 6e4).half()})
    assert found["single"] == pytest.approx(3e39)
    assert found["half"] == pytest.approx(6e5)


def test_the_norm_of_a_long_gradient() -> None:
    count = 12 * LONG + 7
    many = {"short": torch.ones(4), "long": torch.full((count,), 0.1), "double": torch.ones(4).double()}
    found = gradient_norms(many)
    assert list(found) == ["short", "long", "double"]
    assert found["long"] == pytest.approx(0.1 * math.sqrt(count), rel=1e-5)


def test_gradients_of_any_layout_and_type() -> None:
    sparse = torch.sparse_coo_tensor([[1, 1, 0]], [1.0, 2.0, 4.0], (3,), check_invariants=True)
    odd = {
        "sparse": sparse,
        "complex": torch.tensor([3 + 4j]).conj(),
        "turned": torch.arange(6.0).view(2, 3).t(),
        "fp8": torch.tensor([3.0, 4.0]).to(torch.float8_e5m2),
        "scalar": torch.tensor(-2.0),
    }
    wanted = {"sparse": 5.0, "complex": 5.0, "turned": math.sqrt(55), "fp8": 5.0, "scalar": 2.0}
    assert gradient_norms(odd) == pytest.approx(wanted)


def test_a_gradient_without_values_has_no_norm() -> None:
    nothing = {"none": None, "empty": torch.empty(0), "meta": torch.ones(3, device="meta")}
    assert gradient_norms(nothing) == {}
    assert gradient_norms({}) == {}
    assert gradient_norms({**nothing, "some": torch.ones(1)}) == {"some": 1.0}


def layer(name: str, **place: object) -> Layer:
    weight = Weight.model_construct(name=f"{name}.weight")
    usual = {"name": name, "kind": "linear", "weight": weight, "unit_axis": 0, "groups": 1}
    return Layer.model_construct(**usual | place)


ROW = st.lists(st.sampled_from((0.0, 1.0, 2.0)), min_size=2, max_size=2)


@given(st.lists(ROW, min_size=2, max_size=8), st.booleans())
def test_repeats_agree_with_all_pairs_without_zeros(rows: list[list[float]], turned: bool) -> None:
    gradient = torch.tensor(rows)
    found = repeated_gradients([layer("a", unit_axis=int(turned))], {"a.weight": gradient.t() if turned else gradient})
    first = twins.first_equal(rows, None, 1)
    repeats = sum(first[at] != at and any(row) for at, row in enumerate(rows))
    assert found.get("a", 0.0) == pytest.approx(repeats / len(rows))


def test_repeats_are_counted_within_groups() -> None:
    gradient = {"a.weight": torch.ones(4, 1, 3)}
    assert repeated_gradients([layer("a", kind="conv")], gradient) == {"a": 0.75}
    assert repeated_gradients([layer("a", kind="conv", groups=2)], gradient) == {"a": 0.5}
    assert repeated_gradients([layer("a", kind="conv", groups=4)], gradient).get("a", 0.0) == 0.0


def test_zeros_within_groups_are_not_repeats() -> None:
    gradient = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    assert repeated_gradients([layer("a", kind="conv", groups=2)], {"a.weight": gradient}) == {"a": 0.25}


def test_gradients_of_several_precisions_are_measured_together() -> None:
    many = {str(dtype): torch.full((4,), 2.0, dtype=dtype) for dtype in DTYPES}
    assert gradient_norms(many) == dict.fromkeys(many, 4.0)


@pytest.mark.parametrize("kind", ["embedding", "norm", "scale", "other"])
def test_kinds_whose_rows_are_not_units_are_ignored(kind: str) -> None:
    assert repeated_gradients([layer("a", kind=kind)], {"a.weight": torch.ones(3, 3)}) == {}


def test_rows_of_experts_are_not_units_but_a_batch_of_one_is_a_matrix() -> None:
    experts = {"a.weight": torch.ones(3, 4, 2)}
    assert repeated_gradients([layer("a", kind="bmm", groups=3, unit_axis=2)], experts) == {}
    assert repeated_gradients([layer("a", kind="bmm")], {"a.weight": torch.ones(3, 3)}) == {"a": pytest.approx(2 / 3)}


def test_layers_without_a_readable_gradient_are_ignored() -> None:
    layers = [layer("none"), layer("vector"), layer("one"), layer("sparse"), layer("unknown", unit_axis=None)]
    gradients = {
        "none.weight": None,
        "vector.weight": torch.ones(3),
        "one.weight": torch.ones(1, 3),
        "sparse.weight": torch.eye(3).to_sparse(),
        "unknown.weight": torch.ones(3, 3),
    }
    assert repeated_gradients(layers, gradients) == {}
