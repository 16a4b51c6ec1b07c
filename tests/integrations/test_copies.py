"""Copies and pickles of the callback, while it runs and afterwards."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning

from inithealth import Finding, InitHealth
from tests.integrations.test_lightning_callback import fit, healthy, module


def alert(finding: Finding) -> None:
    """Do nothing; pickle finds this function by its name."""


class CopiesItself(pytorch_lightning.Callback):
    """Copies the callback of a running training, as some libraries do with their Trainers."""

    def __init__(self, copied: Callable[[InitHealth], InitHealth]) -> None:
        self.copied, self.copies = copied, list[InitHealth]()

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        (running,) = (each for each in trainer.callbacks if isinstance(each, InitHealth))
        self.copies.append(self.copied(running))


def pickled(callback: InitHealth) -> Any:
    return pickle.loads(pickle.dumps(callback))


COPIES = pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, pickled], ids=lambda function: function.__name__)


@COPIES
def test_the_copy_of_a_running_callback_is_new(copied: Any, tmp_path: Path) -> None:
    callback = InitHealth("stop", tmp_path / "report.json", alert, {"ignore": ["IH210"]})
    copier = CopiesItself(copied)
    fit(module(healthy()), [callback, copier], steps=3)
    for made in copier.copies:
        assert (made.on_unhealthy, made.report_path, made.on_alert) == ("stop", tmp_path / "report.json", alert)
        assert (made.settings, made.report, made.state_dict()) == (callback.settings, None, {})
    assert callback.report is not None
    again = copier.copies[0]
    fit(module(healthy()), [again], steps=3)
    assert again.report is not None
    assert again.report.measurements == callback.report.measurements


@COPIES
def test_the_copy_of_a_finished_callback_has_its_report(copied: Any) -> None:
    callback = InitHealth()
    fit(module(healthy()), [callback], steps=2)
    assert copied(callback).report == callback.report
