"""The metrics in Lightning's loggers: step 0 for any ``log_every_n_steps``, and only supported values."""

from __future__ import annotations

import csv
import math
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from inithealth import InitHealth

TAG = "zz_init_health/gradient_log2_norm/p50"
NAMESPACES = pytest.mark.parametrize("pl", [pytorch_lightning, lightning.pytorch], ids=lambda home: home.__name__)
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


def module(pl: ModuleType, *, faulty: bool = False) -> Any:
    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
            if faulty:
                nn.init.constant_(self.net[0].weight, 100.0)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return SGD(self.parameters(), lr=0.1)

    return Net()


def fit(pl: ModuleType, model: Any, *, logger: Any = True, **options: Any) -> InitHealth:
    inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(inputs, torch.arange(64) % 4), batch_size=16)
    callback = InitHealth(settings={"until": 2})
    trainer = pl.Trainer(max_steps=4, logger=logger, callbacks=[callback], log_every_n_steps=50, **QUIET, **options)
    trainer.fit(model, loader)
    assert trainer.global_step == trainer.max_steps
    assert callback.report is not None
    return callback


def rows(folder: Path) -> list[dict[str, str]]:
    [file] = folder.rglob("metrics.csv")
    with file.open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if row.get(TAG)]


def events(folder: Path) -> EventAccumulator:
    [file] = folder.rglob("events.out.tfevents.*")
    return EventAccumulator(str(file)).Reload()


@NAMESPACES
def test_a_csv_logger_gets_the_watched_steps_from_step_0(pl: ModuleType, tmp_path: Path) -> None:
    fit(pl, module(pl), logger=pl.loggers.CSVLogger(tmp_path))
    logged = rows(tmp_path)
    assert [row["step"] for row in logged] == ["0", "1", "2"]
    assert all(math.isfinite(float(row[TAG])) for row in logged)


@NAMESPACES
def test_tensorboard_gets_the_standard_set(pl: ModuleType, tmp_path: Path) -> None:
    fit(pl, module(pl, faulty=True), logger=pl.loggers.TensorBoardLogger(tmp_path))
    found = events(tmp_path)
    assert [event.step for event in found.Scalars(TAG)] == [0, 1, 2]
    assert "zz_init_health/2_forward" in found.Tags()["images"]
    assert any("init_health/alerts" in tag for tag in found.Tags()["tensors"])


@NAMESPACES
def test_each_of_several_loggers_gets_its_metrics(pl: ModuleType, tmp_path: Path) -> None:
    tensorboard, table = pl.loggers.TensorBoardLogger(tmp_path / "a"), pl.loggers.CSVLogger(tmp_path / "b")
    fit(pl, module(pl), logger=[tensorboard, table])
    values = [event.value for event in events(tmp_path / "a").Scalars(TAG)]
    assert values == pytest.approx([float(row[TAG]) for row in rows(tmp_path / "b")])


@NAMESPACES
@pytest.mark.parametrize(
    "options", [{"logger": False}, {"logger": True, "fast_dev_run": True}], ids=["no logger", "fast_dev_run"]
)
def test_a_run_without_a_logger_is_still_judged(pl: ModuleType, options: dict[str, Any], tmp_path: Path) -> None:
    report = fit(pl, module(pl, faulty=True), default_root_dir=tmp_path, **options).report
    assert report is not None
    assert "IH104" in {finding.code for finding in report.findings}
    assert list(tmp_path.iterdir()) == []


def test_mlflow_gets_the_watched_steps_from_step_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = pytorch_lightning.loggers.MLFlowLogger(tracking_uri=f"file:{tmp_path}")
    fit(pytorch_lightning, module(pytorch_lightning), logger=logger)
    history = logger.experiment.get_metric_history(logger.run_id, TAG)
    assert [metric.step for metric in history] == [0, 1, 2]
    assert all(math.isfinite(metric.value) for metric in history)
    [page] = tmp_path.rglob("init_health.html")
    assert page.read_text().startswith("<!doctype html>")


def test_wandb_offline_gets_the_watched_steps_from_step_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = import_module("wandb").init(mode="offline", dir=tmp_path)
    rows: list[dict[str, Any]] = []
    log = run.log

    def noted(row: dict[str, Any], **options: Any) -> None:
        rows.append(dict(row))
        log(row, **options)

    monkeypatch.setattr(run, "log", noted)
    fit(pytorch_lightning, module(pytorch_lightning), logger=pytorch_lightning.loggers.WandbLogger(experiment=run))
    run.finish()
    ours = [row for row in rows if TAG in row]
    assert [row["trainer/global_step"] for row in ours] == [0, 1, 2]
    assert all(math.isfinite(row[TAG]) for row in ours)
    assert len([row for row in rows if "zz_init_health/page" in row]) == 1
    assert len(list(tmp_path.rglob("media/html/**/*.html"))) == 1


def test_a_failing_logger_does_not_end_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Offline(pytorch_lightning.loggers.CSVLogger):
        def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
            if any(name.startswith("zz_init_health/") for name in metrics):
                raise ConnectionError("no network")

    fit(pytorch_lightning, module(pytorch_lightning), logger=Offline(tmp_path))
    assert "no network" in caplog.text
