"""A Trainer in its first training step, attached to the LightningModules of a model for the length of a check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from importlib import import_module
from math import isfinite
from operator import itemgetter
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from inithealth.sessions.lightning_module import WATCHED_INSTEAD, home_of, is_lightning, optimizers_in, schedulers_in
from inithealth.sessions.manual_optimization import Idle

# The training that is assumed where no Trainer is attached that knows better.
_EPOCHS, _BATCHES = 10, 100
_IGNORED = ("log", "log_dict", "print", "clip_gradients", "toggle_optimizer", "untoggle_optimizer")


@contextmanager
def first_training_step(model: nn.Module, batch: Any) -> Iterator[None]:
    """Within, each LightningModule of the model has a Trainer in its first training step; on exit what it had before.

    The Trainer is a real one, of the module's namespace, for one device, with nothing switched on: it writes, prints
    and logs nothing, and its optimizers step nothing. What a Trainer that was attached before knows (its data module,
    its length, its callbacks) it knows too. The module's hooks are not called.

    Raises:
        ValueError: the model uses ``trainer.datamodule``, and there is none.
    """
    modules = [module for module in model.modules() if is_lightning(module)]
    if not modules:
        yield
        return
    trainer = _trainer(modules[0], batch)
    stand_ins = {
        "_trainer": trainer,
        "optimizers": lambda use_pl_optimizer=True: _one_or_all(trainer.optimizers),
        **dict.fromkeys(_IGNORED, _nothing),
    }
    with ExitStack() as stack:
        stack.enter_context(trainer.closing)
        for module in modules:
            stack.enter_context(_changed(module, stand_ins))
        try:
            yield
        except (AttributeError, TypeError) as error:
            if trainer.missed_data and "NoneType" in str(error):
                raise ValueError(
                    f"{type(modules[0]).__name__} uses trainer.datamodule, and a check has none ({error}): attach a "
                    f"Trainer that has it, model.trainer = Trainer(); model.trainer.datamodule = datamodule, {WATCHED_INSTEAD}"
                ) from error
            raise


@contextmanager
def _changed(module: nn.Module, attributes: dict[str, Any]) -> Iterator[None]:
    """Within, the module has these attributes; on exit those of before, and its hyperparameters are as before."""
    before = {name: module.__dict__[name] for name in attributes if name in module.__dict__}
    hparams = module.__dict__.get("_hparams")
    values = dict(hparams or {})
    module.__dict__.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            module.__dict__.pop(name, None)
        module.__dict__.update(before)
        if isinstance(hparams, dict):
            hparams.clear()
            hparams.update(values)


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _one_or_all(optimizers: list[Any]) -> Any:
    """As Lightning answers: the only one by itself, several as a list."""
    return optimizers[0] if len(optimizers) == 1 else optimizers


def _trainer(module: nn.Module, batch: Any) -> Any:
    """A Trainer of the module's namespace in the state of the first step."""
    home, known = home_of(module), module.__dict__.get("_trainer")
    environments = import_module(f"{home.__name__}.plugins.environments")
    device = next(module.parameters()).device
    epochs = getattr(known, "max_epochs", None)
    with _silent(home):
        trainer = _kind(home)(
            accelerator="cpu",  # of the plugin alone: the device is the strategy's
            strategy=home.strategies.SingleDeviceStrategy(device),
            devices=1,
            num_nodes=1,
            plugins=[environments.LightningEnvironment()],  # else a cluster's variables are looked for
            max_epochs=_EPOCHS if epochs is None else epochs,
            max_steps=_EPOCHS * _BATCHES if known is None else known.max_steps,
            accumulate_grad_batches=getattr(known, "accumulate_grad_batches", 1),
            gradient_clip_val=getattr(known, "gradient_clip_val", None),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    trainer.known, trainer.module, trainer.batch = known, module, batch
    trainer.callbacks = list(getattr(known, "callbacks", ()))
    trainer.datamodule = getattr(known, "datamodule", None)
    trainer.logger = home.loggers.logger.DummyLogger()
    trainer.strategy.connect(module)
    states = home.trainer.states
    trainer.state.fn, trainer.state.status = states.TrainerFn.FITTING, states.TrainerStatus.RUNNING
    trainer.training = True
    return trainer


@contextmanager
def _silent(home: Any) -> Iterator[None]:
    """A Trainer logs the devices that it has found, and warns of those that it leaves idle."""
    log = import_module("lightning_utilities.core.rank_zero").log
    log.addFilter(_nothing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.removeFilter(_nothing)


@cache
def _kind(home: Any) -> Any:
    return type("StandInTrainer", (_FirstStep, home.Trainer), {})


class _FirstStep:
    """What a Trainer's loops would have set up by the first step; mixed into the Trainer of a namespace."""

    known: Any = None  # the Trainer that was attached before
    module: Any
    batch: Any
    missed_data = False
    _datamodule: Any = None

    @property
    def datamodule(self) -> Any:
        """None, as in a training on bare data loaders, unless one is known."""
        self.missed_data = self.missed_data or self._datamodule is None
        return self._datamodule

    @datamodule.setter
    def datamodule(self, value: Any) -> None:
        self._datamodule = value

    @cached_property
    def train_dataloader(self) -> Any:
        """The loader that is known, or one that gives the batch again and again."""
        loader = getattr(self.known, "train_dataloader", None)
        samples: Any = [self.batch] * _BATCHES
        return DataLoader(samples, collate_fn=itemgetter(0)) if loader is None else loader

    @property
    def num_training_batches(self) -> int:
        batches = getattr(self.known, "num_training_batches", _BATCHES)
        return int(batches) if isfinite(batches) else _BATCHES

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

    def print(self, *args: Any, **kwargs: Any) -> None:
        return None

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        """What only the Trainer that was attached before has: a subclass's own attributes."""
        if self.known is not None and not name.startswith("__"):
            return getattr(self.known, name)
        raise AttributeError(
            f"the Trainer of a check has no {name!r}: attach one that has, model.trainer = trainer, {WATCHED_INSTEAD}"
        )
