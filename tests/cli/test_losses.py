"""``--loss``: a function of torch, or of a user's module."""

from __future__ import annotations

import pytest
from torch import nn

from inithealth.cli.errors import BadInput
from inithealth.cli.losses import loss_of


def test_a_name_is_a_function_of_torch() -> None:
    assert loss_of("cross_entropy") is nn.functional.cross_entropy
    assert loss_of(None) is None


def test_a_class_is_instantiated() -> None:
    assert isinstance(loss_of("torch.nn:CrossEntropyLoss"), nn.CrossEntropyLoss)
    assert loss_of("torch.nn.functional:mse_loss") is nn.functional.mse_loss


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crossentropy", "did you mean 'cross_entropy'"),
        ("perplexity", "a loss of your own is package.module:function"),
        ("torch.nn.functional:mse_los", "mse_loss"),
        ("math:pi", "is a float: give a function of the output and the target"),
    ],
)
def test_an_invalid_loss_is_rejected_with_advice(text: str, says: str) -> None:
    with pytest.raises(BadInput) as error:
        loss_of(text)
    assert says in str(error.value)
