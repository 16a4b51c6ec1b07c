"""Configurations of LightningCLI and Hydra: the model, its arguments, its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inithealth import Report
from tests.cli.conftest import Run

PARTS = """
import pytorch_lightning as pl
import torch
from torch import nn
from mine.nets import LOADER, criterion

class Mlp(nn.Module):
    def __init__(self, width, act=None, slope=0.0):
        super().__init__()
        self.first, self.act, self.head = nn.Linear(16, width), act or nn.ReLU(), nn.Linear(width, 4)
        assert isinstance(slope, float)

    def forward(self, x):
        return self.head(self.act(self.first(x)))

class Lit(pl.LightningModule):
    def __init__(self, net, optimizer):
        super().__init__()
        self.net, self.make = net, optimizer

    def training_step(self, batch, batch_idx):
        return criterion(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return self.make(self.parameters())

class Data(pl.LightningDataModule):
    def __init__(self, size=1):
        super().__init__()

    def train_dataloader(self):
        return LOADER
"""
NET = {"class_path": "mine.parts.Mlp", "init_args": {"width": 24, "act": {"class_path": "torch.nn.Tanh"}}}
LIT = {"net": NET, "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.002}}}
HYDRA = {
    "_target_": "mine.parts.Lit",
    "net": {"_target_": "mine.parts.Mlp", "width": 24},
    "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.002},
}


@pytest.fixture(autouse=True)
def parts(folder: Path) -> None:
    (folder / "mine" / "parts.py").write_text(PARTS)


def written(content: object) -> str:
    Path("config.yaml").write_text(content if isinstance(content, str) else json.dumps(content))
    return "config.yaml"


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (NET, ("--input", "8,16")),
        ({"model": NET}, ("--input", "8,16")),
        ({"model": {"_target_": "mine.parts.Mlp", "width": 24}}, ("--input", "8,16")),
        ("class_path: mine.parts.Mlp\ninit_args:\n  width: 24\n  slope: 1e-2\n", ("--input", "8,16")),
        ({"width": 24}, ("mine.parts:Mlp", "--input", "8,16")),
        ({"model": {"width": 8}}, ("mine.parts:Mlp", "--arg", "width=24", "--input", "8,16")),
        ({"model": {"class_path": "mine.parts.Lit", "init_args": LIT}}, ("--data", "mine.nets:LOADER")),
        ({"model": {"class_path": "mine.parts.Lit", "init_args": LIT}, "data": {"class_path": "mine.parts.Data"}}, ()),
        ({"model": HYDRA, "data": {"_target_": "mine.parts.Data", "size": 2}}, ()),
    ],
)
def test_the_model_of_a_configuration(content: object, more: tuple[str, ...], run: Run) -> None:
    done = run("check", "--model-config", written(content), *more, "--output-format", "json")
    assert done.status == 0, done.err
    report = Report.from_json(done.out)
    assert any("(24, 16)" in str(layer) or "24x16" in str(layer) for layer in report.layers), report.layers
    assert not ("data" in str(content) or more[:1] == ("--data",)) or "optimizer: Adam(lr=0.002)" in report.notes


def test_each_seed_creates_new_objects(run: Run) -> None:
    config = written({"model": {"class_path": "mine.parts.Lit", "init_args": LIT}})
    done = run("check", "--model-config", config, "--data", "mine.nets:LOADER", "--seeds", "2")
    assert done.status == 0, done.err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: [", "config.yaml is not valid YAML"),
        ("- 1", "config.yaml does not contain a mapping"),
        ({"model": 3}, "model must be a mapping with class_path"),
        ({"width": 3}, "no model: give TARGET, or --model-config with class_path"),
        ({"_target_": "mine.parts.Mlp", "width": "${size}"}, "resolve it first, as with python train.py --cfg job"),
        ({"class_path": "mine.parts.Mlpp"}, "unknown name 'Mlpp'; did you mean 'Mlp'?"),
        (
            {"class_path": "mine.parts.Mlp", "init_args": {"wdith": 3}},
            "unknown argument 'wdith'; did you mean 'width'?",
        ),
        ({"class_path": "mine.parts.Mlp"}, "needs width: add --arg width=VALUE"),
    ],
)
def test_an_invalid_configuration_is_rejected(content: object, says: str, run: Run) -> None:
    done = run("check", "--model-config", written(content), "--input", "8,16")
    assert done.status == 2
    assert says in done.error


def test_a_missing_file_is_rejected(run: Run) -> None:
    assert "none.yaml cannot be read" in run("check", "--model-config", "none.yaml").error
