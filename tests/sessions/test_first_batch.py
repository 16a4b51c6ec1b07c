"""A loader instead of a batch: its first batch is used, and nothing else in the process changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import inithealth
from inithealth.sessions.first_batch import first_batch

DATA = TensorDataset(torch.randn(12, 4), torch.arange(12) % 3)


class Noisy(Dataset[Any]):
    """A dataset whose augmentations draw from every generator."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return DATA[index][0] + torch.rand(()) + random.random() + np.random.rand(), index % 3


class Module(pl.LightningDataModule):
    def setup(self, stage: str) -> None:
        assert stage == "fit"
        self.data = DATA

    def train_dataloader(self) -> Any:
        return DataLoader(self.data, batch_size=4, shuffle=True)


def state() -> list[Any]:
    return [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]


def loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(Noisy(), batch_size=4, shuffle=True, **options)


@pytest.mark.parametrize("options", [{}, {"generator": torch.Generator().manual_seed(1)}], ids=["global", "own"])
def test_random_state_is_not_changed(options: dict[str, Any]) -> None:
    data = loader(**options)
    before = state()
    batch, origin = first_batch(data)
    assert state() == before
    assert origin == "batch: the first one of DataLoader"
    assert torch.equal(batch[0].float(), next(iter(data))[0].float())  # the one that the training starts with


@pytest.mark.slow
def test_workers() -> None:
    """A running epoch of persistent workers continues."""
    data = DataLoader(DATA, batch_size=4, num_workers=2, persistent_workers=True)
    epoch = iter(data)
    first = next(epoch)
    before = state()
    batch, _ = first_batch(data)
    assert state() == before
    assert torch.equal(batch[0], first[0])
    assert len(list(epoch)) == 2
    assert data._iterator is epoch


def test_a_data_module_is_not_changed() -> None:
    data = Module()
    before = state()
    batch, origin = first_batch(data)
    assert (len(batch), origin) == (2, "batch: the first one of Module")
    assert state() == before
    assert not hasattr(data, "data")


def test_several_loaders_return_one_batch_each() -> None:
    class Several(Module):
        def train_dataloader(self) -> Any:
            return {"a": DataLoader(DATA, 4), "b": [DataLoader(DATA, 2)]}

    batch, _ = first_batch(Several())
    assert (len(batch["a"][0]), len(batch["b"][0][0])) == (4, 2)


def test_an_iterator_advances_and_the_report_has_a_note() -> None:
    batches = iter([(torch.randn(8, 4), torch.arange(8) % 3)] * 2)
    report = inithealth.check(nn.Linear(4, 3), batches, loss=F.cross_entropy)
    assert report.notes[0] == "batch: the next one of the given list_iterator, which has advanced"
    assert len(list(batches)) == 1


def test_a_stream() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Tensor]:
            return iter(DATA.tensors[0])

    report = inithealth.check(nn.Linear(4, 3), DataLoader(Stream(), batch_size=4))
    assert report.notes[0] == "batch: the first one of DataLoader"


@pytest.mark.parametrize("data", [iter([]), DataLoader(DATA, batch_size=99, drop_last=True)])
def test_an_empty_loader_is_rejected(data: Any) -> None:
    with pytest.raises(ValueError, match="yields no batch: it is empty, or drop_last"):
        inithealth.check(nn.Linear(4, 3), data)


def test_inputs_and_targets_without_a_loss() -> None:
    with pytest.raises(TypeError, match=r"pass loss=torch.nn.functional.cross_entropy"):
        inithealth.check(nn.Linear(4, 3), DataLoader(DATA, batch_size=4))


@pytest.mark.parametrize("batch", [torch.ones(2), (torch.ones(2),), {"x": torch.ones(2)}, inithealth.Call()])
def test_a_batch_is_returned_unchanged(batch: Any) -> None:
    assert first_batch(batch) == (batch, "")
