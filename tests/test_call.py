"""How a batch becomes a call of the model."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch

from inithealth import Call

X, Y = torch.ones(2), torch.zeros(3)
Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("batch", "args", "kwargs"),
    [
        (X, (X,), {}),
        ((X, Y), (X, Y), {}),
        ([X, Y], (X, Y), {}),
        ({"x": X, "y": Y}, (), {"x": X, "y": Y}),
        (OrderedDict(x=X), (), {"x": X}),
        ("text", ("text",), {}),
        (None, (None,), {}),
    ],
)
def test_what_a_batch_stands_for(batch: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    call = Call.of(batch)
    assert len(call.args) == len(args)
    assert all(one is other for one, other in zip(call.args, args, strict=True))
    assert call.kwargs == kwargs


def test_a_named_tuple_is_one_argument() -> None:
    pair = Pair(X, Y)
    assert Call.of(pair).args == (pair,)


def test_a_call_is_itself() -> None:
    call = Call(X, mask=Y)
    assert Call.of(call) is call


def test_a_mapping_whose_keys_are_no_names_is_refused() -> None:
    with pytest.raises(TypeError, match=r"inithealth\.Call\(batch\)"):
        Call.of({0: X})


def test_it_is_shown_as_it_is_written() -> None:
    assert repr(Call(1, "a", mask=None)) == "Call(1, 'a', mask=None)"
    assert repr(Call()) == "Call()"
