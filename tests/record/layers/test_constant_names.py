"""The buffer or parameter behind a tensor: itself, a view, a cast."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.layers.constant_names import ConstantNames


class Parts(nn.Module):
    scale: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.register_buffer("scale", torch.arange(6.0))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))


MODEL = Parts()


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        (MODEL.scale, "scale"),
        (MODEL.scale[2:4], "scale"),
        (MODEL.scale.view(2, 3).mT, "scale"),
        (MODEL.fc.weight.detach().t(), "fc.weight"),
        (MODEL.scale.double(), "scale"),
        (MODEL.scale.clone(), None),
        (MODEL.scale.double() + 1, None),
        (torch.zeros(6), None),
        (torch.zeros(6, device="meta"), None),
        (torch.zeros(3, 3).to_sparse(), None),
    ],
)
def test_the_name_of_a_tensor(tensor: Tensor, name: str | None) -> None:
    assert ConstantNames(MODEL).of(tensor) == name


def test_two_buffers_of_the_same_values_are_not_told_apart_by_a_cast() -> None:
    model = nn.Module()
    for name in ("a", "b"):
        model.register_buffer(name, torch.zeros(2))
    names = ConstantNames(model)
    assert names.of(torch.zeros(2, dtype=torch.float64)) is None
    assert names.of(model.get_buffer("b")) == "b"


def test_parameters_are_distinguished_from_buffers() -> None:
    names = ConstantNames(MODEL)
    assert names.is_parameter("fc.weight")
    assert not names.is_parameter("scale")


def test_names_are_in_the_order_of_the_model() -> None:
    assert ConstantNames(MODEL).in_order({"fc.bias", "fc.weight", "scale", "gone"}) == ("scale", "fc.weight", "fc.bias")
