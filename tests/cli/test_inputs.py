"""The batch of a check."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning
import torch
from torch import nn
from torch.utils.data import DataLoader

from inithealth.cli.errors import BadInput
from inithealth.cli.inputs import batch_of
from inithealth.cli.targets import Subject

MODEL = nn.ModuleList([nn.Embedding(11, 2), nn.Embedding(5, 2)])


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("8,3,4", (8, 3, 4), torch.float32),
        (" 8 , 3 ", (8, 3), torch.float32),
        ("8,3:torch.float16", (8, 3), torch.float16),
        ("8,3:complex64", (8, 3), torch.complex64),
        ("8,3:int64", (8, 3), torch.int64),
        ("8:bool", (8,), torch.bool),
    ],
)
def test_a_random_input_has_the_given_shape(text: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    found = batch_of(Subject(MODEL), None, [text])
    assert (tuple(found.shape), found.dtype) == (shape, dtype)
    assert torch.equal(found, batch_of(Subject(MODEL), None, [text]))


def test_integers_are_valid_for_every_embedding() -> None:
    assert set(batch_of(Subject(MODEL), None, ["100:int64"]).tolist()) == set(range(5))
    assert set(batch_of(Subject(nn.Linear(2, 2)), None, ["100:int64"]).tolist()) == {0, 1}


def test_several_inputs_are_a_tuple() -> None:
    one, two = batch_of(Subject(MODEL), None, ["4,7", "3:int64"])
    assert (tuple(one.shape), tuple(two.shape)) == ((4, 7), (3,))


def test_given_data_overrides_those_of_the_target() -> None:
    assert batch_of(Subject(MODEL, "batch"), None, []) == "batch"
    assert tuple(batch_of(Subject(MODEL, "batch"), None, ["4,7"]).shape) == (4, 7)


def test_a_lightning_module_provides_its_own_loader() -> None:
    class Net(pytorch_lightning.LightningModule):
        def train_dataloader(self) -> Any:
            return DataLoader(torch.arange(6.0), batch_size=2)

    assert next(iter(batch_of(Subject(Net()), None, []))).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("data", "shapes", "says"),
    [
        ("a:b", ["4"], "not both"),
        (None, [], "no batch: add --input"),
        (None, ["4x4"], "--input '4x4': write sizes"),
        (None, ["4:flaot32"], "flaot32 is not a torch dtype"),
        (None, ["4:nn"], "nn is not a torch dtype"),
    ],
)
def test_invalid_batches_are_rejected(data: str | None, shapes: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        batch_of(Subject(nn.Linear(2, 2)), data, shapes)
