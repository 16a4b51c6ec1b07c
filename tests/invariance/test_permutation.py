"""A verdict does not depend on the order of hidden units, channels, attention heads or samples."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.invariance.examples import few
from tests.invariance.rebuilt import KINDS, rebuilt
from tests.invariance.shuffled import shuffled
from tests.invariance.verdicts import judged, own_verdict, shown, verdict
from tests.invariance.wiring import WIRINGS, permuted

WIRED = [name for name in KINDS if type(rebuilt(name).model) in WIRINGS]
seeds = st.integers(0, 2**16)


@pytest.mark.parametrize("name", WIRED)
@few
@given(seed=seeds)
def test_the_order_of_units(name: str, seed: int) -> None:
    case = rebuilt(name)
    assert shown(verdict(judged(case, permuted(case.model, seed)))) == shown(own_verdict(name))


@pytest.mark.parametrize("name", KINDS)
@few
@given(seed=seeds)
def test_the_order_of_samples(name: str, seed: int) -> None:
    assert shown(verdict(judged(shuffled(rebuilt(name), seed)))) == shown(own_verdict(name))


HEALTHY_KINDS = "he_relu_10 batch_norm zero_gamma_resnet frozen_backbone post_norm_transformer tied_gpt lstm".split()


@pytest.mark.parametrize("name", HEALTHY_KINDS)
def test_permuted_units_compute_the_same(name: str) -> None:
    case = rebuilt(name)
    inputs = case.batch if isinstance(case.batch, tuple) else (case.batch,)
    twin = permuted(case.model, 1)
    moved = [not a.equal(b) for a, b in zip(case.model.parameters(), twin.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 3
    torch.testing.assert_close(twin.double()(*_double(inputs)), case.model.double()(*_double(inputs)))


def _double(inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(x.double() if x.is_floating_point() else x for x in inputs)
