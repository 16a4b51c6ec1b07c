"""Decays of recurrent states, for different ways of writing the recurrence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Decay
from tests.record.reading import Written, read

WIDTH, TOKENS = 8, 12


def unrolled(exponent: Tensor, x: Tensor) -> Tensor:
    state, states = torch.zeros_like(x[:, 0]), []
    for kept, new in zip(exponent.exp().unbind(1), x.unbind(1), strict=True):
        state = kept * state + new
        states.append(state)
    return torch.stack(states, 1)


def parallel(exponent: Tensor, x: Tensor) -> Tensor:
    total = exponent.cumsum(1)
    between = (total[:, :, None] - total[:, None]).masked_fill(
        torch.ones(TOKENS, TOKENS).triu(1).bool()[..., None], -1e9
    )
    return torch.einsum("bijc,bjc->bic", between.exp(), x)


def gated(exponent: Tensor, x: Tensor) -> Tensor:
    """No state: the product of the step and the rate scales the signal."""
    return x * exponent


def model(recurrence: Callable[[Tensor, Tensor], Tensor], bias: float = 0.0, *, apart: bool = False) -> Written:
    def forward(net: Written, x: Tensor) -> Tensor:
        step = F.softplus(net.step(x) + net.dt_bias if apart else net.step(x))
        output: Tensor = net.head(recurrence(-net.A_log.exp() * step, net.body(x)))
        return output

    torch.manual_seed(0)
    step = nn.Linear(WIDTH, WIDTH, bias=not apart)
    nn.init.normal_(step.weight, std=0.05)
    parts = {"body": nn.Linear(WIDTH, WIDTH), "head": nn.Linear(WIDTH, 2), "A_log": nn.Parameter(torch.zeros(WIDTH))}
    if apart:
        parts["dt_bias"] = nn.Parameter(torch.full((WIDTH,), bias))
    else:
        nn.init.constant_(step.bias, bias)
    return Written(forward, step=step, **parts)


def decays(net: nn.Module) -> tuple[Decay, ...]:
    return read(net, torch.randn(4, TOKENS, WIDTH)).recording.decays


@pytest.mark.parametrize("recurrence", [unrolled, parallel])
@pytest.mark.parametrize(("bias", "memory", "lasting"), [(0.0, 1.44, 0.0), (-4.0, 55.0, 1.0)])
def test_the_states_last_for_the_inverse_of_step_and_rate(
    recurrence: Callable[[Tensor, Tensor], Tensor], bias: float, memory: float, lasting: float
) -> None:
    (found,) = decays(model(recurrence, bias))
    assert (found.layer, found.bias, found.rates) == ("step", "step.bias", ("A_log",))
    assert found.memory == pytest.approx(memory, rel=0.1)
    assert found.lasting == pytest.approx(lasting, abs=0.05)


def test_the_bias_may_belong_to_another_module() -> None:
    (found,) = decays(model(unrolled, apart=True))
    assert (found.layer, found.bias) == ("step", "dt_bias")


def test_a_product_that_is_no_exponent_is_not_a_decay() -> None:
    assert decays(model(gated)) == ()
