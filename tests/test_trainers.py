"""Other features of Trainers: tuning, late layers, the command line, the environment variable."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
from pytorch_lightning.tuner import Tuner
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, TensorDataset

import inithealth
from inithealth import InitHealth, Report

QUIET: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
CLI: dict[str, Any] = {"save_config_callback": None, "seed_everything_default": False}
QUIET |= {"enable_model_summary": False, "enable_checkpointing": False}


def loader() -> DataLoader[Any]:
    inputs = torch.randn(96, 8, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(inputs, torch.arange(96) % 4), batch_size=16)


class Net(pytorch_lightning.LightningModule):
    """A healthy network, or one with such a small std that no signal remains."""

    def __init__(self, std: float | None = None, lr: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lr = lr
        self.net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(5)), nn.Linear(8, 4))
        for layer in self.net if std else ():
            nn.init.normal_(layer.weight, std=std)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def train_dataloader(self) -> Any:
        return loader()

    def configure_optimizers(self) -> Optimizer:
        return SGD(self.parameters(), lr=self.lr)


class Late(Net):
    """Creates its layers in ``configure_model``."""

    def __init__(self) -> None:
        pytorch_lightning.LightningModule.__init__(self)
        self.lr, self.net = 0.1, None

    def configure_model(self) -> None:
        if self.net is None:
            self.net = Net(std=0.01).net


def errors(report: Report | None) -> list[str]:
    assert report is not None
    return [cause.code for cause in report.causes if cause.severity == "error"]


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_layers_created_late_are_judged() -> None:
    callback = InitHealth()
    pytorch_lightning.Trainer(max_steps=3, callbacks=[callback], **QUIET).fit(Late())
    assert errors(callback.report) == ["IH106"]


def test_a_learning_rate_finder_before_the_fit_is_not_part_of_it(tmp_path: Path) -> None:
    callback, model = InitHealth(), Net(std=0.01)
    trainer = pytorch_lightning.Trainer(
        max_steps=3, callbacks=[callback], default_root_dir=tmp_path, **{**QUIET, "enable_checkpointing": True}
    )
    Tuner(trainer).lr_find(model, num_training=8, update_attr=True)
    assert hooks(model) == 0
    assert all(parameter.grad is None or not parameter.grad.isnan().any() for parameter in model.parameters())
    trainer.fit(model)
    assert errors(callback.report) == ["IH106"]
    assert callback.report is not None
    assert callback.report.step == 2
    assert hooks(model) == 0


def command_line(monkeypatch: pytest.MonkeyPatch) -> Any:
    """LightningCLI. Lightning uses deprecated functions of jsonargparse 4.53: when used, and before 2.5.2 on import."""
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    from pytorch_lightning.cli import LightningCLI

    return LightningCLI


def test_the_command_line_configures_it_from_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, report = tmp_path / "config.yaml", tmp_path / "report.json"
    path.write_text(
        f"""
        trainer:
          max_steps: 3
          accelerator: cpu
          logger: false
          enable_progress_bar: false
          enable_model_summary: false
          enable_checkpointing: false
          callbacks:
            - class_path: inithealth.InitHealth
              init_args:
                on_unhealthy: warn
                report_path: {report}
                settings:
                  schedule: every
                  until: 1
                  ignore: [IH301]
        model:
          std: 0.01
        """
    )
    command_line(monkeypatch)(Net, args=["fit", "--config", str(path)], **CLI)
    shown = Report.from_json(report.read_text())
    assert errors(shown) == ["IH106"]
    assert shown.step == 1
    assert [skipped.code for skipped in shown.skipped if skipped.reason == "not selected"] == ["IH301"]


def test_a_misspelled_setting_ends_the_command_line_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    cli = command_line(monkeypatch)
    arguments = ["fit", "--trainer.callbacks=inithealth.InitHealth", "--trainer.callbacks.settings.schedule=evry"]
    with pytest.raises(ValueError, match="unknown schedule 'evry'; did you mean 'every'"):
        cli(Net, args=arguments, **CLI)


def test_it_can_be_sent_to_other_processes() -> None:
    callback = InitHealth(settings={"ignore": ("IH3",)})
    pytorch_lightning.Trainer(max_steps=2, callbacks=[callback], **QUIET).fit(Net(std=0.01))
    for twin in (pickle.loads(pickle.dumps(callback)), copy.deepcopy(callback)):
        assert twin.report == callback.report
        pytorch_lightning.Trainer(max_steps=2, callbacks=[twin], **QUIET).fit(Net())
        assert twin.report.causes == ()


# --- strategies that store weights or gradients separately ---


class Keeping(Net):
    """Like DeepSpeed: when the callbacks run, no parameter has a gradient."""

    def on_after_backward(self) -> None:
        self.kept = [parameter.grad for parameter in self.parameters()]
        for parameter in self.parameters():
            parameter.grad = None

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        for parameter, gradient in zip(self.parameters(), self.kept, strict=True):
            parameter.grad = gradient


@pytest.mark.parametrize(("std", "codes"), [(None, set()), (1e-3, {"IH106"})])
def test_gradients_stored_separately_are_reported_as_not_measured(std: float | None, codes: set[str]) -> None:
    callback = InitHealth()
    pytorch_lightning.Trainer(max_steps=12, callbacks=[callback], **QUIET).fit(Keeping(std))
    report = callback.report
    assert report is not None
    assert any(line.startswith("gradients of the weights: none after") for line in report.not_measured)
    assert {cause.code for cause in report.causes} == codes
    assert all(m.output is not None and m.weight_gradient is None for m in report.measurements)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("use_orig_params", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.usefixtures("process_group")
def test_flattened_weights_are_reported_as_not_measured(use_orig_params: bool) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    net = nn.Sequential(nn.Linear(8, 17), nn.ReLU(), nn.Linear(17, 5))
    model = FullyShardedDataParallel(net, device_id=torch.device("cpu"), use_orig_params=use_orig_params)
    optimizer = SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(3):
            loss = model(torch.ones(4, 8)).square().mean()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    assert any("FullyShardedDataParallel flattens weights" in line for line in monitor.report.not_measured)
    assert [cause.code for cause in monitor.report.causes] == ["IH409"]
    assert monitor.report.layers == ()
