"""Trains one twin of a Lightning run."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from inithealth import InitHealth
from inithealth.sessions.lightning_module import callback_bases

from . import twin
from .run import Run
from .twin import Twin

Fix = Callable[[Any, list[Any]], None]  # changes a model and its optimizers before the first step


class Recorder(*callback_bases()):  # type: ignore[misc]
    """Keeps the losses, ends the training after some steps, and reads its state at the end."""

    def __init__(self, steps: int, fix: Fix | None) -> None:
        super().__init__()
        self.steps, self.fix = steps, fix
        self.losses: list[float] = []
        self.trainer: Any = None
        self.started = 0.0
        self.digests = ("", "", "")

    def __deepcopy__(self, memo: dict[int, Any]) -> Recorder:
        return self  # a library may train a copy of its model with copies of the callbacks

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self.trainer is not None:  # a library may train once more: the first training counts
            return
        self.trainer = trainer
        if self.fix is not None:
            self.fix(pl_module, list(trainer.optimizers))
        self.started = time.process_time()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(_loss(outputs, trainer.callback_metrics))
        if len(self.losses) >= self.steps:
            trainer.should_stop = True
            trainer.fit_loop.min_epochs = 0  # a library may ask for a whole epoch

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.digests = twin.digests(dict(pl_module.state_dict()), trainer.optimizers)


def train(run: Run, steps: int, folder: Path, *, watched: bool, fix: Fix | None = None, seed: int = 0) -> Twin:
    """Train a run from a seed, with InitHealth or without.

    Raises:
        Exception: an error of the library, unchanged.
    """
    twin.seed(seed)
    recorder, health = Recorder(steps, fix), InitHealth(schedule="every", verbose=False)
    logger = import_module(f"{run.home}.loggers").TensorBoardLogger(folder, name="events", version="")
    run.fit(
        {
            "accelerator": "cpu",
            "callbacks": [recorder, *([health] if watched else [])],
            "logger": logger,
            "log_every_n_steps": steps,
            "default_root_dir": str(folder),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
        }
    )
    seconds = time.process_time() - recorder.started
    logger.finalize("success")
    found = next((each.report for each in recorder.trainer.callbacks if isinstance(each, InitHealth)), None)
    return Twin(
        recorder.digests,
        tuple(recorder.losses),
        seconds,
        twin.size(folder / "events"),
        _checkpoint(recorder, folder),
        found,
    )


def _checkpoint(recorder: Recorder, folder: Path) -> int:
    path = folder / "last.ckpt"
    recorder.trainer.callbacks.remove(recorder)
    recorder.trainer.save_checkpoint(path)
    return path.stat().st_size


def _loss(outputs: Any, metrics: dict[str, Any]) -> float:
    """Return the loss of a step: what it returned, else the first logged loss, as with manual optimization."""
    if isinstance(outputs, dict):
        outputs = outputs.get("loss")
    if not isinstance(outputs, Tensor):
        outputs = next((value for name, value in metrics.items() if "loss" in name), float("nan"))
    return float(outputs)
