"""If anything around a watched training fails, its result is unchanged, and the measurements are kept."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from inithealth import InitHealth, Report
from inithealth.record import recorder
from inithealth.record.layers import inventory
from inithealth.record.live import hooks, observer, updates
from inithealth.record.live.readings import Readings

STEPS = 25


class Net(pytorch_lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Linear(8, 16), nn.ReLU(inplace=True), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 4)
        )

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Optimizer:
        return Adam(self.parameters(), lr=1e-2)


def result(callbacks: list[Any], logger: Any = False, steps: int = STEPS) -> list[Tensor]:
    """Return the weights after a training run."""
    model = Net()
    inputs = torch.randn(96, 8, generator=torch.Generator().manual_seed(0))
    batches = DataLoader(TensorDataset(inputs, torch.arange(96) % 4), batch_size=16)
    pytorch_lightning.Trainer(
        max_steps=steps,
        callbacks=callbacks,
        logger=logger,
        accelerator="cpu",
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    ).fit(model, batches)
    assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()) == 0
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


PLACES = [
    (Readings, "take"),
    (observer.Observer, "observe"),
    (updates.Updates, "before"),
    (updates.Updates, "after"),
    (recorder.Recorder, "step"),
    (inventory, "outlines"),
    (hooks, "gradient_hook"),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
def test_random_exceptions_in_the_measurements(
    owner: Any, name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, chance, real = result([]), random.Random(seed), getattr(owner, name)
    thrown = 0

    def sometimes(*args: Any, **kwargs: Any) -> Any:
        nonlocal thrown
        if chance.random() < 0.3:
            thrown += 1
            raise chance.choice([RuntimeError, ValueError, ZeroDivisionError, KeyError, MemoryError])("chaos")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, sometimes)
    callback = InitHealth(settings={"schedule": "every"})
    assert same(result([callback]), bare)
    assert callback.report is not None
    assert not thrown or callback.report.not_measured or callback.report.causes or name in ("after", "before")


@pytest.mark.parametrize("kind", [CSVLogger, TensorBoardLogger])
def test_a_logger_that_raises(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = result([])

    def refuses(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(kind, "log_metrics", refuses)
    logger = kind(tmp_path)
    monkeypatch.setattr(type(logger.experiment), "add_scalar", refuses, raising=False)
    assert same(result([InitHealth()], logger), bare)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    bare = result([])

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    callback = InitHealth(report_path=tmp_path / "report.json")
    assert same(result([callback]), bare)
    assert caplog.text.count("No space left on device") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unencodable_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = result([])
    monkeypatch.setattr(Report, "to_json", lambda self: "half a surrogate: \ud800")
    assert same(result([InitHealth(report_path=tmp_path / "report.json")]), bare)
    assert (tmp_path / "report.json").read_text() == r"half a surrogate: \ud800"


KILLED = """
import torch, sys
sys.path.insert(0, {root!r})
from tests.test_chaos import Net
import pytorch_lightning
from inithealth import InitHealth
inputs = torch.randn(96, 8)
batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, torch.arange(96) % 4), batch_size=16)
pytorch_lightning.Trainer(max_steps=10**7, max_epochs=-1, callbacks=[InitHealth(report_path={path!r})], logger=False,
    accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
).fit(Net(), batches)
"""


@pytest.mark.slow
def test_the_measurements_survive_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    code = KILLED.format(root=str(Path(__file__).parents[1]), path=str(path))
    running = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 120
        while not path.exists() and time.monotonic() < ends and running.poll() is None:
            time.sleep(0.1)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    report = Report.from_json(path.read_text())
    assert report.causes == ()
    assert len(report.measurements) == 3
