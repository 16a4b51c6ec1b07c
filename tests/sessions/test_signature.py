"""The arguments that a function accepts are known before it is called."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inithealth.call import Call
from inithealth.sessions.signature import Signature, called


def test_a_loss_of_torch_needs_output_and_target() -> None:
    signature = Signature.of(F.cross_entropy)
    assert signature is not None
    assert (signature.name, signature.required, signature.any_keyword) == ("cross_entropy", ("input", "target"), False)
    assert [signature.takes(count) for count in (1, 2, 3)] == [False, True, True]


def test_the_signature_of_a_module_is_that_of_forward() -> None:
    signature = Signature.of(nn.CrossEntropyLoss(weight=torch.ones(3)))
    assert signature is not None
    assert (signature.name, signature.required, signature.most) == ("CrossEntropyLoss.forward", ("input", "target"), 2)


def test_a_partial_has_the_signature_of_its_function() -> None:
    signature = Signature.of(partial(F.cross_entropy, label_smoothing=0.1))
    assert signature is not None
    assert signature.name == "cross_entropy"


def test_any_arguments_are_accepted() -> None:
    signature = Signature.of(lambda *args, **kwargs: None)
    assert signature is not None
    assert (signature.name, signature.most, signature.any_keyword) == ("the loss", math.inf, True)


def test_functions_without_a_signature() -> None:
    assert Signature.of(torch.sigmoid) is None


def test_advice_is_given_for_arguments_that_do_not_match() -> None:
    def inner(x: Any) -> Any:
        return x + "text"

    with pytest.raises(TypeError, match=r"takes 1 positional argument but 2 were given: pass less"):
        called(inner, Call(1, 2), "pass less")
    with pytest.raises(TypeError, match=r"^unsupported operand"):
        called(inner, Call(1), "pass less")
