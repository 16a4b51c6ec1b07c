"""Normalizations at zero at the start of residual branches."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence import branch_starts
from inithealth.recording import Layer
from tests.rules.recordings import recording, residual, weight

ZERO = {"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0}
ATTENTION = {"feeds": "attention"}


def blocks(zeros: int = 3, **changes: Any) -> tuple[Layer, ...]:
    """Three blocks of attention, the normalizations of the first ones at zero, with a bias of one."""
    layers = residual(3, enter=ATTENTION, norm=True)
    bias = weight("bias", 1.0, shape=(96,)).model_dump()
    found = []
    for each in layers:
        number = int(each.name.split(".")[1]) if each.name.startswith("h.") else 9
        if each.kind == "norm" and each.weight is not None:
            values = {**each.weight.model_dump(), **(ZERO if number < zeros else {})}
            each = Layer.model_validate({**each.model_dump(), "weight": values, "bias": bias, **changes})
        found.append(each)
    return tuple(found)


def test_the_normalizations_at_zero_are_found() -> None:
    assert [each.name for each in branch_starts.constant(recording(blocks(2)))] == ["h.0.norm", "h.1.norm"]
    assert branch_starts.constant(recording(blocks(0))) == []


@pytest.mark.parametrize("special", [{"ends_branch": True}, {"transformed": True}, {"reads_trunk": False}])
def test_which_zeros_are_healthy(special: dict[str, Any]) -> None:
    assert branch_starts.constant(recording(blocks(**special))) == []


def test_a_twin_in_another_block_is_enough() -> None:
    for zeros, count in ((1, 0), (2, 0), (3, 3)):
        of = recording(blocks(zeros))
        assert len(branch_starts.without_twin(of, branch_starts.constant(of))) == count


def stops(layers: tuple[Layer, ...], **more: Any) -> bool:
    of = recording(layers, **more)
    return branch_starts.stops_attention(of, branch_starts.constant(of))


def test_attention_is_stopped_if_none_sees_the_positions_apart() -> None:
    assert stops(blocks())
    assert stops(blocks(), adaptive=True)
    assert not stops(blocks(2))  # the third block attends


def test_adam_trains_a_branch_that_reads_zeros() -> None:
    zero = weight("bias", 0.0, shape=(96,), abs_max=0.0).model_dump()
    assert stops(blocks(bias=zero))
    assert not stops(blocks(bias=zero), adaptive=True)
    assert not stops(blocks(bias=None), adaptive=True)


def test_a_branch_without_attention_is_not_stopped() -> None:
    plain = [
        each.model_copy(update={"feeds": "activation"}) if each.feeds == "attention" else each for each in blocks()
    ]
    assert not stops(tuple(plain))
