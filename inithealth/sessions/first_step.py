"""The state of a Trainer in the first training step, without running its loops."""

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

EPOCHS, BATCHES = 10, 100  # length of the training, if no Trainer is attached


class FirstStep:
    """Mixin for the Trainer of a Lightning namespace.

    Attributes:
        known: the Trainer that was attached before, or None.
        module: the LightningModule that is trained.
        batch: the batch of every step.
        missing: the last attribute that was read and does not exist, or "".
        steps: number of steps taken. All use the same batch, so each counts as an epoch, as schedules may need.
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
        """The attached Trainer's data module; None if there is none, as in a training on data loaders."""
        if self._datamodule is None:
            self.missing = "datamodule"
        return self._datamodule

    @datamodule.setter
    def datamodule(self, value: Any) -> None:
        self._datamodule = value

    @cached_property
    def train_dataloader(self) -> Any:
        """The attached Trainer's loader, or one that repeats the batch."""
        loader = getattr(self.known, "train_dataloader", None)
        samples: Any = [self.batch] * BATCHES
        return DataLoader(samples, collate_fn=itemgetter(0)) if loader is None else loader

    @property
    def num_training_batches(self) -> int:
        batches = getattr(self.known, "num_training_batches", BATCHES)
        return int(batches) if isfinite(batches) else BATCHES

    @cached_property
    def _configured(self) -> Any:
        """The result of ``configure_optimizers``, called once and only if it is used."""
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
        """Closes the resources that were opened on demand."""
        return ExitStack()

    @cached_property
    def log_dir(self) -> str:
        """A temporary folder for the module's files, deleted after the check."""
        return self.closing.enter_context(TemporaryDirectory())

    @property
    def default_root_dir(self) -> str:
        return self.log_dir

    @cached_property
    def logged_metrics(self) -> dict[str, Tensor]:
        """The tensors and numbers that the module has logged."""
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
        """Return an attribute of the attached Trainer, such as one of a subclass. Raises AttributeError without one."""
        if hasattr(type(self), name):  # a property raised AttributeError: raise that error again
            return object.__getattribute__(self, name)
        if self.known is not None and not name.startswith("__"):
            return getattr(self.known, name)
        self.missing = name
        raise AttributeError(
            f"the Trainer of a check has no {name!r}: attach one that has, model.trainer = trainer, {WATCHED_INSTEAD}"
        )
