"""What a recording says of constants at zero and of undefined operations."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Recording, ZeroFactor
from tests.record.reading import Written, read

X = torch.randn(6, 4)


def network(way: Any, **more: Any) -> Written:
    torch.manual_seed(0)
    return Written(way, **{name: nn.Linear(4, 4) for name in "abc"}, **more)


def recorded(way: Any, *, exact: bool = True, **more: Any) -> Recording:
    return read(network(way, **more), X, exact=exact).recording


def branch(net: Any, x: Tensor) -> Tensor:
    return net.c(net.a(x) + net.b(x) * net.scale)


def test_a_buffer_at_zero_is_named() -> None:
    for exact in (True, False):
        (factor,) = recorded(branch, scale=torch.zeros(4), exact=exact).zero_factors
        assert factor == ZeroFactor(names=("scale",), text="buffer", parameters=("b.weight", "b.bias"))


def test_a_frozen_parameter_and_a_number() -> None:
    (frozen,) = recorded(branch, scale=nn.Parameter(torch.zeros(4), requires_grad=False)).zero_factors
    assert (frozen.names, frozen.text) == (("scale",), "frozen parameter")
    (number,) = recorded(lambda net, x: net.c(net.a(x) + net.b(x) * 0.0)).zero_factors
    assert (number.names, number.text) == ((), "number in the forward pass")
    (mask,) = recorded(lambda net, x: net.c(net.a(x) + net.b(x) * torch.zeros(4))).zero_factors
    assert (mask.names, mask.text) == ((), "mask or another tensor that is not a buffer")


def test_what_is_not_zero_or_trains_is_not_listed() -> None:
    assert recorded(branch, scale=torch.ones(4)).zero_factors == ()
    assert recorded(branch, scale=nn.Parameter(torch.zeros(4))).zero_factors == ()


def test_buffers_of_one_place_are_one_factor() -> None:
    def way(net: Any, x: Tensor) -> Tensor:
        return net.c(net.a(x) * net.scale0 + net.b(x) * net.scale1)

    (both,) = recorded(way, scale0=torch.zeros(4), scale1=torch.zeros(4)).zero_factors
    assert both.names == ("scale0", "scale1")
    assert set(both.parameters) == {"a.weight", "a.bias", "b.weight", "b.bias", "c.weight"}


def test_constants_that_stop_a_gradient_only_together() -> None:
    def way(net: Any, x: Tensor) -> Tensor:
        y = net.a(x)
        return net.c(x) + y * net.left + y * net.right

    (both,) = recorded(way, left=torch.zeros(4), right=torch.zeros(4)).zero_factors
    assert (both.names, both.parameters) == (("left", "right"), ("a.weight", "a.bias"))


def test_a_matrix_of_zeros() -> None:
    (factor,) = recorded(lambda net, x: net.a(x) + net.mixed @ net.b(x), mixed=torch.zeros(6, 6)).zero_factors
    assert factor.matrix
    assert factor.names == ("mixed",)


def normalized(net: Any, x: Tensor) -> Tensor:
    y = F.softplus(net.a(x)) @ net.projection
    return net.c(y / y.norm(dim=1, keepdim=True))


def test_the_layer_before_an_undefined_operation() -> None:
    for exact in (True, False):
        found = recorded(normalized, projection=nn.Parameter(torch.zeros(4, 4)), exact=exact).singularity
        assert found is not None
        assert (found.operation, found.layers, found.share) == ("a division by zero", ("projection",), 1.0)
    assert recorded(normalized, projection=nn.Parameter(torch.eye(4))).singularity is None


def test_a_buffer_that_is_divided_by() -> None:
    found = recorded(lambda net, x: net.c(net.a(x) / net.std), std=torch.zeros(4)).singularity
    assert found is not None
    assert (found.operation, found.layers, found.constant) == ("a division by zero", (), "std")


def test_a_buffer_that_makes_the_norm_zero() -> None:
    def way(net: Any, x: Tensor) -> Tensor:
        y = net.a(x) * net.scale
        return net.c(y / y.norm(dim=1, keepdim=True))

    found = recorded(way, scale=torch.zeros(4)).singularity
    assert found is not None
    assert (found.layers, found.constant) == (("a",), "scale")
