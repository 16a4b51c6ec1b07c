"""The conversion of a batch to a call of the model."""

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
def test_the_call_of_a_batch(batch: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    call = Call.of(batch)
    assert len(call.args) == len(args)
    assert all(one is other for one, other in zip(call.args, args, strict=True))
    assert call.kwargs == kwargs


def test_a_named_tuple_is_one_argument() -> None:
    pair = Pair(X, Y)
    assert Call.of(pair).args == (pair,)


def test_a_call_is_returned_unchanged() -> None:
    call = Call(X, mask=Y)
    assert Call.of(call) is call


def test_a_mapping_with_keys_that_are_not_strings_is_rejected() -> None:
    with pytest.raises(TypeError, match=r"inithealth\.Call\(batch\)"):
        Call.of({0: X})


def test_its_representation_is_its_code() -> None:
    assert repr(Call(1, "a", mask=None)) == "Call(1, 'a', mask=None)"
    assert repr(Call()) == "Call()"
