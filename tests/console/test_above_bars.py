"""Text above progress bars: tqdm's, and both bars of Lightning."""

from __future__ import annotations

import logging
import sys
from types import ModuleType

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from inithealth import InitHealth
from inithealth.console.above_bars import above_bars
from tests.console.terminal import Terminal


def test_bars_of_another_stream_are_not_cleared() -> None:
    terminal, other = Terminal(), Terminal()
    with tqdm(total=2, file=other, mininterval=0):
        before = other.getvalue()
        with above_bars(terminal):
            terminal.write("text\n")
        assert other.getvalue() == before
    assert terminal.lines == ["text"]


def test_nothing_is_imported_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tqdm")
    terminal = Terminal()
    with above_bars(terminal):
        terminal.write("text\n")
    assert "tqdm" not in sys.modules
    assert terminal.lines == ["text"]


@pytest.mark.parametrize("pl", [pytorch_lightning, lightning.pytorch], ids=lambda home: home.__name__)
@pytest.mark.parametrize("kind", ["TQDMProgressBar", "RichProgressBar"])
@pytest.mark.parametrize("std", [0.3, 0.01], ids=["healthy", "vanishing"])
@pytest.mark.usefixtures("logger")
def test_lightnings_bars_are_not_broken(
    pl: ModuleType, kind: str, std: float, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    for home in (pl.__name__, pl.__name__.replace(".pytorch", "")):
        monkeypatch.setattr(logging.getLogger(home), "disabled", True)
    trainer = pl.Trainer(
        max_steps=3,
        accelerator="cpu",
        callbacks=[InitHealth("stop"), getattr(pl.callbacks, kind)()],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(regression(pl, std), DataLoader(torch.randn(48, 8), batch_size=16))
    [epoch] = {line.split(":")[0].split("/")[0] for line in terminal.lines if "Epoch" in line}
    assert epoch == "Epoch 0"  # at the beginning of its line
    first = next(line for line in terminal.lines if line.startswith("inithealth: "))
    stopped = [line for line in terminal.lines if line.startswith("inithealth: stopped at step 0: IH201")]
    if std == 0.3:
        assert first == "inithealth: healthy at step 0 (Net, 4 layers)"
        assert [line for line in terminal.lines if "Epoch" not in line] == [first]
    else:
        assert first.startswith("inithealth: unhealthy")
        assert len(stopped) == 1
    assert "Epoch" in terminal.lines[-1]


def regression(pl: ModuleType, std: float) -> nn.Module:
    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(4)))
            for layer in self.net:
                nn.init.normal_(layer.weight, std=std)
                nn.init.zeros_(layer.bias)

        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return (self.net(batch) - batch).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    return Net()
