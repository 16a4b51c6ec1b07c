"""Tests of the benchmark of libraries: its twins, its results and its tables, without the libraries."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.judging.kept import Kept
from benchmarks.libraries.judged import judged, reported
from benchmarks.libraries.run import Loop, Run, Watch, fitted
from benchmarks.libraries.table import alarm_table, lines, summary, table
from benchmarks.libraries.trial import compared, train, trial
from benchmarks.libraries.twin import Twin, digests

PLAIN = Twin(("weights", "optimizers", "random"), (1.0, float("nan")), 2.0, 0, 100)
ALARM = {"severity": "error", "code": "IH106", "layers": ["a", "b"], "step": 0, "fix": "model.weight.zero_()"}


class Small(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return mse_loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 1e-3)


def data() -> Any:
    x = torch.randn(32, 8)
    return DataLoader(TensorDataset(x, x[:, :1]), batch_size=16, shuffle=True)


def loop(steps: int, watch: Watch) -> list[float]:
    model, losses = nn.Linear(4, 1), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, optimizer) as monitor:
        for _ in range(steps):
            x = torch.randn(16, 4)
            loss = mse_loss(model(x), x[:, :1])
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


RUNS = [Run("own/small", fitted("pytorch_lightning", Small, data), "pytorch_lightning"), Loop("plain/linear", loop)]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_watched_training_is_compared_with_its_plain_twin(run: Run | Loop) -> None:
    entry = trial(run, steps=5)
    assert (entry["repeats"], entry["identical"], entry["steps"]) == (True, True, 5)
    assert entry["verdict"].startswith("inithealth: healthy")
    assert entry["event_bytes"] > 0
    assert (entry["checkpoint_bytes"] > 0) == isinstance(run, Run)


def test_the_training_that_raises_is_named() -> None:
    def failing(steps: int, watch: Watch) -> list[float]:
        raise KeyError("mine")

    assert trial(Loop("plain/failing", failing)) == {"error": "plain training: KeyError: 'mine'"}


def test_a_fix_changes_the_training() -> None:
    words = {"code": "IH208", "fix": "use another loss"}
    fix = reported([ALARM, words, {**words, "fix": ""}])
    assert fix is not None
    plain, fixed = (train(RUNS[1], 5, watched=False, fix=each) for each in (None, fix))
    assert plain.losses[0] != fixed.losses[0]
    assert reported([words]) is None
    assert len(judged(RUNS[1], {"alarms": [ALARM]}, steps=5)["fixed"]) == 3


def test_advice_to_train_more_slowly_lowers_the_learning_rate() -> None:
    fix, optimizer = (
        reported([{"code": "IH403", "fix": "lower the learning rate"}]),
        torch.optim.SGD([torch.ones(1)], 0.5),
    )
    assert fix is not None
    fix(nn.Identity(), [optimizer])
    assert optimizer.param_groups[0]["lr"] == 0.05


def test_a_difference_of_one_bit_is_one() -> None:
    weights = {"a": torch.ones(3)}
    assert digests(weights, []) == digests({"a": torch.ones(3)}, [])
    weights["a"][0] = torch.nextafter(weights["a"][0], torch.tensor(2.0))
    assert digests(weights, [])[0] != digests({"a": torch.ones(3)}, [])[0]


def test_losses_and_digests_decide_whether_twins_are_the_same() -> None:
    assert PLAIN.same(dataclasses.replace(PLAIN, seconds=9.0, checkpoint_bytes=0))
    assert not PLAIN.same(dataclasses.replace(PLAIN, losses=(1.0, 2.0)))
    assert not PLAIN.same(dataclasses.replace(PLAIN, digests=("weights", "optimizers", "other")))


def test_results_are_kept_and_shown(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "results.jsonl")
    watched = dataclasses.replace(PLAIN, seconds=3.0, event_bytes=5000, checkpoint_bytes=2100)
    entry = {"kind": "one", "repeats": True, **compared(PLAIN, watched)}
    other = {**entry, "verdict": "inithealth: unhealthy", "alarms": [ALARM], "kind": ""}
    kept.add("own/a", entry)
    kept.add("own/b", {**other, "repeats": False, "identical": False, "ratio": 2.5})
    kept.add("own/c", {"error": "plain training: ImportError: no"})
    kept.add("judged own/b", {"steps": 300, "as_it_is": [1.0, 2.0], "fixed": [0.5]})
    again = Kept(kept.path)
    assert table(again).splitlines()[2:] == [
        "| own/a (one) | yes | not watched | 0 | 5 kB | 2.0 kB | 1.50x |",
        "| own/b | no twin | error IH106 a | 0 | 5 kB | 2.0 kB | 2.50x |",
    ]
    assert alarm_table(again).splitlines()[2:] == ["| own/b | error IH106 `a` | 0 | 1, 2 | 0.5 |"]
    assert [line.split()[0] for line in lines(again)] == ["own/a", "own/b", "own/c"]
    assert summary(again).startswith(
        "2 runs: 1 of 1 that repeat are identical, 1 not watched, 1 with errors, 0 with warnings"
    )
    assert summary(Kept(tmp_path / "none.jsonl")) == "no runs"
