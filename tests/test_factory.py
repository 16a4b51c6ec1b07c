"""The callback that the environment adds to every Trainer."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from inithealth import InitHealth, factory

SCRIPT = """
    import {namespace} as pl
    import torch
    from torch import nn

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
            for layer in self.net:
                nn.init.normal_(layer.weight, std=0.01)

        def training_step(self, batch, batch_idx):
            return self.net(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = pl.Trainer(max_steps=2, accelerator="cpu", logger=False, enable_progress_bar=False,
                         enable_model_summary=False, enable_checkpointing=False{more})
    trainer.fit(Net(), torch.utils.data.DataLoader(torch.randn(32, 8), batch_size=8))
"""


@pytest.mark.slow
@pytest.mark.parametrize("namespace", ["pytorch_lightning", "lightning.pytorch"])
@pytest.mark.parametrize(
    ("value", "more", "times"),
    [("1", "", 1), ("", "", 0), ("1", ", callbacks=__import__('inithealth').InitHealth()", 1)],
    ids=["asked for", "not asked for", "there already"],
)
def test_the_environment_adds_it_without_code(
    namespace: str, value: str, more: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INITHEALTH", value)
    code = textwrap.dedent(SCRIPT.format(namespace=namespace, more=more))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("inithealth: unhealthy at step 0") == times, done.stderr


@pytest.mark.parametrize(("value", "count"), [("1", 1), ("yes", 1), ("0", 0), ("", 0), ("maybe", 0)])
def test_one_callback_if_requested(value: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INITHEALTH", value)
    found = factory.callbacks()
    assert len(found) == count
    assert all(isinstance(each, InitHealth) for each in found)
