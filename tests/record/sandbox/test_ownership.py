"""State is what the model's own code defines; objects of libraries are not touched."""

from __future__ import annotations

import logging
import queue
import threading
from collections import UserDict
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning
import torch
from torch import nn
from torch.utils.data import Dataset

from inithealth.record.sandbox.ownership import owned, owned_classes, packages


class Memory:
    pass


class MyCallback(pytorch_lightning.Callback):
    pass


class MyData(Dataset[Any]):
    pass


class Color(Enum):
    RED = 1


class Worker(threading.Thread):
    pass


class Net(nn.Linear):
    pass


@pytest.mark.parametrize(
    "kind", [Memory, UserDict, SimpleNamespace, queue.Queue, torch.optim.SGD, torch.distributions.Normal]
)
def test_objects_of_the_model(kind: type) -> None:
    assert owned(kind, ())


@pytest.mark.parametrize(
    "kind",
    [
        *(MyCallback, MyData, Color, Worker, pytorch_lightning.Trainer, torch.utils.data.DataLoader),
        *(logging.Logger, threading.Event, type(pytest.mark), torch.fx.Graph),
    ],
)
def test_objects_of_libraries(kind: type) -> None:
    assert not owned(kind, ())


def test_a_library_that_defines_the_model_is_its_own_code() -> None:
    kind = type(pytest.mark)
    assert owned(kind, packages([pytest.mark]))
    assert packages([1, "text", []]) == frozenset()


def test_classes_of_libraries_are_left_out() -> None:
    assert list(owned_classes(Net, ())) == [Net]
