"""A fix has operations only if its whole text is their code."""

from __future__ import annotations

import math
import pickle

import pytest

from inithealth.evidence import fixes
from inithealth.evidence.fix_text import Fix, initialize, joined, multiply, operations_of, set_bias
from inithealth.operations import Operation
from tests.rules.recordings import stack


def zero(*names: str) -> Fix:
    return Fix.of(initialize(name, "zeros") for name in names)


def test_operations_are_in_the_order_in_which_the_code_runs() -> None:
    fix = zero("h.2.w", "a.w", "h.0.w", "h.1.w")
    assert fix.splitlines() == ["for i in range(3): nn.init.zeros_(model.h[i].w)", "nn.init.zeros_(model.a.w)"]
    assert [operation.parameter for operation in fix.operations] == ["h.0.w", "h.1.w", "h.2.w", "a.w"]


def test_joined_fixes_have_all_operations() -> None:
    fix = joined(zero("a"), "", Fix.of([set_bias("b", 0.5)]))
    assert fix == "nn.init.zeros_(model.a)\nnn.init.constant_(model.b, 0.5)"
    assert [operation.parameter for operation in fix.operations] == ["a", "b"]


@pytest.mark.parametrize(
    "fix", [joined("# better: another activation", zero("a")), f"freeze it:\n{zero('a')}", "a text", "", None, joined()]
)
def test_text_has_no_operations(fix: object) -> None:
    assert operations_of(fix) == ()


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_an_invalid_number_leaves_only_the_text(number: float) -> None:
    fix = joined(zero("a"), Fix.of([multiply("b", number)]))
    assert fix == f"nn.init.zeros_(model.a)\nmodel.b.data.mul_({number})"
    assert fix.operations == ()


def test_operations_are_validated() -> None:
    fix = fixes.each(stack(4))
    assert len(fix.operations) == len(stack(4))
    assert all(type(each).model_validate(each.model_dump()) == each for each in fix.operations)


def test_a_fix_survives_pickling() -> None:
    fix: Fix = pickle.loads(pickle.dumps(zero("a")))
    operations: tuple[Operation, ...] = fix.operations
    assert (fix, operations) == (zero("a"), zero("a").operations)
