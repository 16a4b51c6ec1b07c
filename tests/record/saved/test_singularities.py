"""The operation that produces the first NaN."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.saved.singularities import singular
from tests.record.reading import graph_of

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "the square root of zero": lambda x: x.sqrt(),
    "the standard deviation of equal values": lambda x: x.std(0),
    "zero to the power of 0.5": lambda x: x**0.5,
    "an arc cosine or sine at 1": lambda x: torch.acos(1 - x),
}
VALUES: dict[str, Callable[[Tensor], Tensor]] = {
    "a division by zero": lambda x: x / x.norm(),
    "the logarithm of zero or less": lambda x: x.log(),
    "the inverse square root of zero": lambda x: x.rsqrt(),
    "zero to the power of -1.5": lambda x: x**-1.5,
}


OVERFLOWS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": lambda x: (1 + x.exp()).log(),
    "expm1": lambda x: x.expm1(),
    "sigmoid written out": lambda x: x.exp() / (1 + x.exp()),
}


def output(way: Callable[[Tensor], Tensor], value: float) -> Tensor:
    return way(nn.Parameter(torch.full((4, 3), value)) * torch.ones(4, 3)[:, :1].requires_grad_()).sum()


@pytest.mark.parametrize("text", VALUES)
def test_an_undefined_value(text: str) -> None:
    bad = singular(graph_of(nn.Module(), output(VALUES[text], 0.0)), broken=True)
    assert bad is not None
    assert (bad.text, bad.share, bad.forward) == (text, 1.0, True)
    assert singular(graph_of(nn.Module(), output(VALUES[text], 0.5)), broken=True) is None


@pytest.mark.parametrize("text", SLOPES)
def test_an_infinite_slope(text: str) -> None:
    bad = singular(graph_of(nn.Module(), output(SLOPES[text], 0.0)), broken=False)
    assert bad is not None
    assert (bad.text, bad.forward) == (text, False)
    assert singular(graph_of(nn.Module(), output(SLOPES[text], 0.0)), broken=True) is None
    if "equal" not in text:
        assert singular(graph_of(nn.Module(), output(SLOPES[text], 0.5)), broken=False) is None


def test_the_first_undefined_value_and_the_last_infinite_slope() -> None:
    x = torch.zeros(3, requires_grad=True)
    twice = graph_of(nn.Module(), (x.log() * 0.0).exp() / x)
    first = singular(twice, broken=True)
    last = singular(twice, broken=False)
    assert first is not None
    assert last is not None
    assert (first.text, last.text) == ("the logarithm of zero or less", "a division by zero")


def test_the_share_of_the_values() -> None:
    x = torch.tensor([0.0, 1.0, 2.0, 0.0], requires_grad=True)
    bad = singular(graph_of(nn.Module(), 1.0 / x), broken=True)
    assert bad is not None
    assert bad.share == 0.5


def test_powers_without_a_singularity() -> None:
    x = torch.zeros(3, requires_grad=True)
    assert singular(graph_of(nn.Module(), x**2 + x**1.5 + (x + 1) ** -1), broken=False) is None


@pytest.mark.parametrize("name", OVERFLOWS)
def test_an_exponential_that_overflows(name: str) -> None:
    bad = singular(graph_of(nn.Module(), output(OVERFLOWS[name], 100.0)), broken=True)
    assert bad is not None
    assert (bad.text, bad.share) == ("an exponential that overflows", 1.0)
    assert bad.largest == pytest.approx(88.72, abs=0.01)
    assert singular(graph_of(nn.Module(), output(OVERFLOWS[name], 80.0)), broken=True) is None
