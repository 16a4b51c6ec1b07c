"""A verdict does not change inside further containers, but for the names of the layers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.invariance.rebuilt import BUILDERS, rebuilt
from tests.invariance.verdicts import Verdict, judged, own_verdict, told, verdict
from tests.invariance.wrapping import halves_nested, in_container, in_sequential, members_wrapped
from tests.zoo.case import Case, original_layers

ADDRESSED = ("translator", "weight_normed")  # their own code reaches into members of a sequence


def unwrapped(case: Case, wrapped: nn.Module) -> Verdict:
    """The verdict on the wrapped model, its layers called by the names they had."""

    def original(layer: str) -> str:
        (name,) = original_layers(case, wrapped, layer)
        return name

    return verdict(judged(case, wrapped), original)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_container_around_the_network(name: str) -> None:
    case = rebuilt(name)
    around = in_sequential if isinstance(case.batch, Tensor) else in_container
    assert told(unwrapped(case, around(case.model))) == told(own_verdict(name))


@pytest.mark.parametrize("name", BUILDERS)
def test_sequences_of_sequences(name: str) -> None:
    case = rebuilt(name)
    assert told(unwrapped(case, halves_nested(case.model))) == told(own_verdict(name))


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in ADDRESSED])
@settings(derandomize=True, max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_containers_around_some_layers(name: str, seed: int) -> None:
    case = rebuilt(name)
    assert told(unwrapped(case, members_wrapped(case.model, seed))) == told(own_verdict(name))
