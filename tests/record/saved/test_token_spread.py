"""The share of the values of a self-attention that differs between tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.reading import Written, read

WIDTH, TOKENS = 16, 8


def composed(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.dropout((q @ k.mT / WIDTH**0.5).softmax(-1), 0.0) @ v


def model(attend: Callable[..., Tensor], query: Callable[[Tensor], Tensor] = lambda x: x) -> Written:
    torch.manual_seed(0)
    parts = {name: nn.Linear(WIDTH, WIDTH) for name in "qkv"}
    return Written(lambda net, x: attend(net.q(query(x)), net.k(x), net.v(x)), **parts, head=nn.Linear(WIDTH, 2))


def spreads(net: nn.Module, x: Tensor) -> dict[str, float | None]:
    found = {name: m.token_spread for name, m in read(net, x).measured.items()}
    return {name: share for name, share in found.items() if share is not None}


@pytest.mark.parametrize("attend", [F.scaled_dot_product_attention, composed])
def test_the_values_are_measured_at_their_layer(attend: Any) -> None:
    net, x = model(attend), torch.randn(4, TOKENS, WIDTH)
    values = net.v(x).detach()
    expected = 1 - values.mean(1).square().mean() / values.square().mean()
    assert spreads(net, x) == {"v": pytest.approx(expected.item(), abs=1e-5)}


@pytest.mark.parametrize("attend", [F.scaled_dot_product_attention, composed])
def test_tokens_that_are_alike_have_none(attend: Any) -> None:
    x = torch.randn(4, 1, WIDTH).expand(-1, TOKENS, -1).contiguous()
    assert spreads(model(attend), x) == {"v": pytest.approx(0.0, abs=1e-5)}


@pytest.mark.parametrize("attend", [F.scaled_dot_product_attention, composed])
def test_other_queries_than_the_tokens_do_not_count(attend: Any) -> None:
    assert spreads(model(attend, lambda x: x[:, :2]), torch.randn(4, TOKENS, WIDTH)) == {}
    assert spreads(model(attend), torch.randn(4, 3, WIDTH)) == {}
