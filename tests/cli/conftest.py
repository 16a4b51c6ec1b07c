"""A folder with a small package, and the command line run in it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inithealth.cli.main import main

NETS = """
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = torch.randn(32, 16, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 64), nn.ReLU())
        self.middle = nn.Linear(64, 64)
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        return self.head(self.middle(self.body(x)).relu())


class Broken(Net):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.middle.weight, float("nan"))


class Alike(Net):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.middle.weight, 0.1)


class Forgotten(Net):
    def __init__(self):
        super().__init__()
        self.middle.weight = nn.Parameter(torch.empty(64, 64))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.embed(x).mean(1))


class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def training_step(self, batch, batch_idx):
        return criterion(self.net(batch[0]), batch[1])


LOADER = DataLoader(TensorDataset(BATCH, torch.arange(32) % 4), batch_size=16)


class Loading(Lit):
    def train_dataloader(self):
        return LOADER


def criterion(output, target):
    return F.cross_entropy(output, target)


def loss(output):
    return F.cross_entropy(output, torch.arange(32) % 4)


def healthy():
    print("made by a user who prints")
    return Net(), BATCH, loss


def broken():
    return Broken(), BATCH, loss


def alike():
    return Alike(), BATCH, loss


def forgotten():
    return Forgotten(), BATCH, loss


def at_random():
    return (Broken if torch.rand(()) < 0.5 else Net)(), BATCH, loss


def plain():
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    nn.init.constant_(net[0].weight, float("inf"))
    return net, BATCH


def wants(width):
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 4))


def raises():
    return 1 / 0


def leaves():
    raise SystemExit(7)


def text():
    return "a model"


made = Net()
words = ["no", "model"]
"""


@dataclass
class Line:
    """The result of one command."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that describes the invalid input."""
        [line] = [each for each in self.err.splitlines() if each.startswith("inithealth: error: ")]
        return line.removeprefix("inithealth: error: ")


Run = Callable[..., Line]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to a repository that contains a package ``mine``."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "nets.py").write_text(textwrap.dedent(NETS))
    (tmp_path / "mine" / "missing.py").write_text("import not_a_package_that_exists\n")
    (tmp_path / "mine" / "wrong.py").write_text("def half(:\n")
    (tmp_path / "mine" / "stops.py").write_text("import sys\nsys.exit('no')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: str) -> Line:
        capsys.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as left:  # raised by argparse
            status = left.code if isinstance(left.code, int) else 1
        shown = capsys.readouterr()
        return Line(status, shown.out, shown.err)

    return command
