"""A verdict does not change in additional containers, except for the names of the layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.invariance.examples import few
from tests.invariance.rebuilt import KINDS, rebuilt
from tests.invariance.verdicts import Verdict, judged, own_verdict, shown, verdict
from tests.invariance.wrapping import halves_nested, in_container, in_sequential, members_wrapped
from tests.zoo.case import Case, original_layers


def unwrapped(case: Case, wrapped: nn.Module) -> Verdict:
    """Return the verdict on the wrapped model, with the original layer names."""

    def original(layer: str) -> str:
        (name,) = original_layers(case, wrapped, layer)
        return name

    return verdict(judged(case, wrapped), original)


@pytest.mark.parametrize("name", KINDS)
def test_a_container_around_the_network(name: str) -> None:
    case = rebuilt(name)
    around = in_sequential if isinstance(case.batch, Tensor) else in_container
    assert shown(unwrapped(case, around(case.model))) == shown(own_verdict(name))


@pytest.mark.parametrize("name", KINDS)
def test_sequences_of_sequences(name: str) -> None:
    case = rebuilt(name)
    assert shown(unwrapped(case, halves_nested(case.model))) == shown(own_verdict(name))


@pytest.mark.parametrize("name", KINDS)
@few
@given(seed=st.integers(0, 2**16))
def test_containers_around_some_layers(name: str, seed: int) -> None:
    case = rebuilt(name)
    assert shown(unwrapped(case, members_wrapped(case.model, seed))) == shown(own_verdict(name))


# A weight eight times smaller than its peers', made harmless by a norm or a skip connection: a warning.
ODD_LAYERS = {
    "batch_norm": "body.9",
    "zero_gamma_resnet": "blocks.2.conv2",
    "pre_norm_transformer": "layers.2.linear2",
    "tied_gpt": "blocks.1.mlp.2",
    "mixer": "blocks.2.within.2",
}


@pytest.mark.parametrize(("name", "layer"), ODD_LAYERS.items())
@few
@given(seed=st.integers(0, 2**16))
def test_an_outlier_layer_is_found_in_any_container(name: str, layer: str, seed: int) -> None:
    case = rebuilt(name)
    with torch.no_grad():
        case.model.get_parameter(f"{layer}.weight").mul_(1 / 8)
    expected = verdict(judged(case))
    assert {each.root_cause_layer for each in expected} == {layer}
    assert shown(unwrapped(case, members_wrapped(case.model, seed))) == shown(expected)
