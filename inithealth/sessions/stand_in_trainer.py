"""A Trainer in its first training step, attached to the LightningModules of a model during a check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import nn

from inithealth.record.quiet import quiet
from inithealth.sessions.first_step import BATCHES, EPOCHS, FirstStep
from inithealth.sessions.lightning_module import WATCHED_INSTEAD, home_of, is_lightning, with_attributes

_IGNORED = ("print", "clip_gradients", "toggle_optimizer", "untoggle_optimizer")


@contextmanager
def first_training_step(model: nn.Module, batch: Any) -> Iterator[None]:
    """Attach a Trainer in its first training step to each LightningModule of the model; restore them on exit.

    It is a real Trainer of the module's namespace for one device. It writes, prints and logs nothing, and its
    optimizers do not step. It has the data module, the length and the callbacks of a Trainer that was attached
    before. The module's hooks are not called.

    Raises:
        ValueError: the model failed because it uses an attribute that this Trainer does not have.
    """
    modules = [module for module in model.modules() if is_lightning(module)]
    if not modules:
        yield
        return
    attached = modules[0].__dict__.get("_trainer")
    known = attached if isinstance(attached, home_of(modules[0]).Trainer) else None
    trainer = _trainer(modules[0], next(model.parameters()).device, known)
    trainer.batch = batch
    stand_ins = {
        "_trainer": trainer if attached is known else attached,  # any other object is the user's substitute
        "log": trainer.log,
        "log_dict": trainer.log_dict,
        "optimizers": lambda use_pl_optimizer=True: _one_or_all(trainer.optimizers),
        **dict.fromkeys(_IGNORED, _nothing),
    }
    with ExitStack() as stack:
        stack.callback(trainer.__dict__.clear)  # its reference cycles would keep the model in memory
        stack.enter_context(trainer.closing)
        for module in modules:
            stack.enter_context(with_attributes(module, stand_ins))
        try:
            yield
        except (AttributeError, TypeError) as error:
            if not trainer.missing or not ("NoneType" in str(error) or _hides_another(error)):
                raise
            raise ValueError(
                f"{type(modules[0]).__name__} uses trainer.{trainer.missing}, which a check does not have ({error}): "
                f"attach a Trainer that has it, model.trainer = Trainer(); model.trainer.{trainer.missing} = ..., "
                f"{WATCHED_INSTEAD}"
            ) from error


def _hides_another(error: Exception) -> bool:
    """Return whether the missing attribute is a property, which means that the property raised AttributeError."""
    name, owner = getattr(error, "name", None), type(getattr(error, "obj", None))
    return isinstance(getattr(owner, name or "", None), property)


def count_steps(model: nn.Module, steps: int) -> None:
    """Set the number of steps that the Trainer of a check has taken, if the model has one."""
    trainer = model.__dict__.get("_trainer")
    if isinstance(trainer, FirstStep):
        trainer.steps = steps


def show_batch(model: nn.Module, batch: Any) -> None:
    """Set the batch of the loaders of the Trainer of a check, if the model has one."""
    trainer = model.__dict__.get("_trainer")
    if isinstance(trainer, FirstStep):
        trainer.batch = batch


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _one_or_all(optimizers: list[Any]) -> Any:
    """Return a single optimizer by itself, several as a list, as Lightning does."""
    return optimizers[0] if len(optimizers) == 1 else optimizers


def _trainer(module: nn.Module, device: torch.device, known: Any) -> Any:
    """Return a Trainer of the module's namespace in the state of the first step."""
    home = home_of(module)
    environments = import_module(f"{home.__name__}.plugins.environments")
    epochs = getattr(known, "max_epochs", None)
    with _silent():
        trainer = _kind(home)(
            accelerator="cpu",  # the strategy has the actual device
            strategy=home.strategies.SingleDeviceStrategy(device),
            devices=1,
            num_nodes=1,
            plugins=[environments.LightningEnvironment()],  # otherwise the Trainer reads cluster variables
            max_epochs=EPOCHS if epochs is None else epochs,
            max_steps=EPOCHS * BATCHES if known is None else known.max_steps,
            accumulate_grad_batches=getattr(known, "accumulate_grad_batches", 1),
            gradient_clip_val=getattr(known, "gradient_clip_val", None),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    trainer.known, trainer.module = known, module
    trainer.callbacks = list(getattr(known, "callbacks", ()))
    trainer.datamodule = getattr(known, "datamodule", None)
    trainer.logger = home.loggers.logger.DummyLogger()
    trainer.strategy.connect(module)
    states = home.trainer.states
    trainer.state.fn, trainer.state.status = states.TrainerFn.FITTING, states.TrainerStatus.RUNNING
    trainer.training = True
    return trainer


@contextmanager
def _silent() -> Iterator[None]:
    """Silence a new Trainer, which logs available devices and warns about unused ones."""
    with quiet(import_module("lightning_utilities.core.rank_zero").log):
        yield


@cache
def _kind(home: Any) -> Any:
    return type("StandInTrainer", (FirstStep, home.Trainer), {})
