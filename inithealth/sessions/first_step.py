"""What a Trainer's loops have set up by the first training step, without loops."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from math import isfinite
from operator import itemgetter
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from inithealth.sessions.lightning_module import WATCHED_INSTEAD, home_of, optimizers_in, schedulers_in
from inithealth.sessions.manual_optimization import Idle

EPOCHS, BATCHES = 10, 100  # the training that is assumed where no Trainer is attached that knows better


class FirstStep:
    """Mixed into the Trainer of a namespace.

    Attributes:
        known: the Trainer that was attached before, or None.
        module: the LightningModule that is trained.
        batch: the batch of every step.
        missing: the attribute that was read last of those that are not there, or "".
        steps: how many were taken. They share one batch, so each is an epoch too, in which a loss's weight may grow.
    """

    known: Any = None
    module: Any
    batch: Any
    missing = ""
    steps = 0
    _datamodule: Any = None

    @property
    def global_step(self) -> int:
        return self.steps

    @property
    def current_epoch(self) -> int:
        return self.steps

    @property
    def datamodule(self) -> Any:
        """None, as in a training on bare data loaders, unless one is known."""
        if self._datamodule is None:
            self.missing = "datamodule"
        return self._datamodule

    @datamodule.setter
    def datamodule(self, value: Any) -> None:
        self._datamodule = value

    @cached_property
    def train_dataloader(self) -> Any:
        """The loader that is known, or one that gives the batch again and again."""
        loader = getattr(self.known, "train_dataloader", None)
        samples: Any = [self.batch] * BATCHES
        return DataLoader(samples, collate_fn=itemgetter(0)) if loader is None else loader

    @property
    def num_training_batches(self) -> int:
        batches = getattr(self.known, "num_training_batches", BATCHES)
        return int(batches) if isfinite(batches) else BATCHES

    @cached_property
    def _configured(self) -> Any:
        """What the module configures, once, and only if it is used."""
        return self.module.configure_optimizers()

    @property
    def optimizers(self) -> list[Any]:
        return [Idle(each) for each in optimizers_in(self._configured)]

    @property
    def lr_scheduler_configs(self) -> list[Any]:
        config = home_of(self.module).utilities.types.LRSchedulerConfig
        return [config(Idle(each)) for each in schedulers_in(self._configured)]

    @cached_property
    def closing(self) -> ExitStack:
        """Ends what was opened on demand."""
        return ExitStack()

    @cached_property
    def log_dir(self) -> str:
        """A folder for what the module writes, deleted after the check."""
        return self.closing.enter_context(TemporaryDirectory())

    @property
    def default_root_dir(self) -> str:
        return self.log_dir

    @cached_property
    def logged_metrics(self) -> dict[str, Tensor]:
        """What the module has logged, as far as it was tensors and numbers."""
        return {}

    @property
    def callback_metrics(self) -> dict[str, Tensor]:
        return self.logged_metrics

    @property
    def progress_bar_metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.logged_metrics.items()}

    def log(self, name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(value, (Tensor, float, int)):
            self.logged_metrics[name] = torch.as_tensor(value).detach()

    def log_dict(self, dictionary: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(dictionary, Mapping):
            for name, value in dictionary.items():
                self.log(name, value)

    def print(self, *args: Any, **kwargs: Any) -> None:
        return None

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        """What only the Trainer that was attached before has: a subclass's own attributes."""
        if hasattr(type(self), name):  # a property of it raised: its own error
            return object.__getattribute__(self, name)
        if self.known is not None and not name.startswith("__"):
            return getattr(self.known, name)
        self.missing = name
        raise AttributeError(
            f"the Trainer of a check has no {name!r}: attach one that has, model.trainer = trainer, {WATCHED_INSTEAD}"
        )
