"""Event files of real training runs, for the tests that look at them in TensorBoard."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

import inithealth
from examples.tensorboard_runs import CONTEXT, GPT, WIDTH, deep_net

STEPS = 16
ATTACK = "<img src=x onerror='attacked=1'>"


def loop(folder: Path, model: nn.Module, inputs: Tensor, targets: Tensor, steps: int = STEPS) -> inithealth.Report:
    """Train in a loop of our own, with one batch, and write every step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with (
        SummaryWriter(str(folder)) as writer,
        inithealth.watch(model, optimizer=optimizer, writer=writer, schedule="every", verbose=False) as monitor,
    ):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = cross_entropy(model(inputs).flatten(0, -2), targets)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.report


def net(folder: Path, *, healthy: bool) -> inithealth.Report:
    """Train a net of 49 layers, in which six have weights that are ten times too small unless it is healthy."""
    torch.manual_seed(0)
    return loop(folder, deep_net(healthy=healthy), torch.randn(64, WIDTH), torch.randint(10, (64,)))


def fixed_net() -> inithealth.Report:
    """Check the same unhealthy net, and try its fix."""
    torch.manual_seed(0)
    batch = torch.randn(64, WIDTH), torch.randint(10, (64,))
    return inithealth.check(deep_net(healthy=False), batch, loss=cross_entropy, verify=True)


def gpt(folder: Path) -> inithealth.Report:
    """Train a healthy GPT of six blocks."""
    torch.manual_seed(0)
    text = torch.randint(128, (8, CONTEXT + 1))
    return loop(folder, GPT(healthy=True), text[:, :-1], text[:, 1:].flatten())


def hostile(folder: Path) -> inithealth.Report:
    """Train a net whose layers and classes are named like markup, with a zero layer."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU())
    model.add_module(ATTACK, type(ATTACK, (nn.Linear,), {})(16, 16))
    model.add_module("</script><b>", nn.Linear(16, 4))
    nn.init.zeros_(model.get_submodule(ATTACK).weight)
    return loop(folder, model, torch.randn(32, 8), torch.randint(4, (32,)), steps=3)


class Classifier(pl.LightningModule):
    """A convolutional classifier for the Trainer."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 16, 16, 32, 32]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(low, high, 3, padding=1), nn.BatchNorm2d(high), nn.ReLU())
                for low, high in itertools.pairwise(widths)
            )
        )
        self.head = nn.Linear(32, 10)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return cross_entropy(self.head(self.layers(batch[0]).mean((2, 3))), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def lightning(folder: Path) -> None:
    """Train with the Trainer and its TensorBoardLogger."""
    torch.manual_seed(0)
    batches = TensorDataset(torch.randn(128, 3, 16, 16), torch.randint(10, (128,)))
    pl.Trainer(
        max_epochs=1,
        callbacks=[inithealth.InitHealth(verbose=False)],
        logger=TensorBoardLogger(folder.parent, name=folder.name, version="version_0"),
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Classifier(), DataLoader(batches, batch_size=8))
