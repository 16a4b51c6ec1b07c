"""Lightning under both of its names, and what a LightningModule defines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import nn
from torch.optim import Optimizer

_NAMESPACES = ("pytorch_lightning", "lightning.pytorch")
WATCHED_INSTEAD = "or watch the training itself with Trainer(callbacks=[InitHealth()])"
# What Lightning calls of a module before its first training_step, in this order.
_START_HOOKS = (
    "setup",
    "configure_optimizers",
    "on_fit_start",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
)


def callback_bases() -> tuple[type[Any], ...]:
    """The Callback class of each namespace that is installed: a class with both works in every Trainer."""
    bases = []
    for name in _NAMESPACES:
        if name in sys.modules or find_spec(name.split(".")[0]) is not None:
            with _rank_zero_logger_kept():
                bases.append(import_module(name).Callback)
    if not bases:
        raise ImportError("InitHealth needs pytorch-lightning: pip install pytorch-lightning")
    return tuple(dict.fromkeys(bases))


@contextmanager
def _rank_zero_logger_kept() -> Iterator[None]:
    """Importing a second namespace takes the logger of both over, and with it what the user set for the first."""
    rank_zero = sys.modules.get("lightning_utilities.core.rank_zero")
    logger = getattr(rank_zero, "log", None)
    yield
    if rank_zero is not None and logger is not None:
        rank_zero.log = logger  # type: ignore[attr-defined]


def is_tensorboard(logger: Any) -> bool:
    """Whether a Lightning logger writes TensorBoard events."""
    homes = [sys.modules.get(f"{name}.loggers") for name in _NAMESPACES]
    return any(home is not None and isinstance(logger, home.TensorBoardLogger) for home in homes)


def is_lightning(model: nn.Module) -> bool:
    """Whether it is a LightningModule of either namespace; imports neither."""
    return any(isinstance(model, home.LightningModule) for home in _loaded())


def trains_itself(model: nn.Module) -> bool:
    """Whether it is a LightningModule that has a ``training_step`` of its own."""
    return is_lightning(model) and has_own(model, "training_step")


def has_own(model: nn.Module, method: str) -> bool:
    """Whether a LightningModule defines that method itself."""
    found = getattr(getattr(model, method), "__func__", None)
    return all(found is not getattr(home.LightningModule, method) for home in _loaded())


def _loaded() -> list[Any]:
    return [home for home in map(sys.modules.get, _NAMESPACES) if home is not None]


def home_of(model: nn.Module) -> Any:
    """The namespace whose LightningModule it is."""
    return next(home for home in _loaded() if isinstance(model, home.LightningModule))


@contextmanager
def with_attributes(module: nn.Module, attributes: dict[str, Any]) -> Iterator[None]:
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


def start_hooks(model: nn.Module) -> list[str]:
    """The hooks that a LightningModule defines of those that run before its first ``training_step``."""
    return [name for name in _START_HOOKS if has_own(model, name)]


def run_start_hooks(model: nn.Module, batch: Any, failure: str) -> None:
    """Call the hooks that Lightning calls before the first ``training_step``, which failed without them.

    Raises:
        ValueError: a hook failed, or made layers.
    """
    arguments = {"setup": ("fit",), "on_train_batch_start": (batch, 0)}
    parameters = {id(parameter) for parameter in model.parameters()}
    for name in start_hooks(model):
        try:
            getattr(model, name)(*arguments.get(name, ()))
        except Exception as error:
            raise ValueError(
                f"training_step raised {failure}; {name}, which Lightning runs before it, raised "
                f"{type(error).__name__}: {error}: call it before the check, {WATCHED_INSTEAD}"
            ) from error
    if any(id(parameter) not in parameters for parameter in model.parameters()):
        raise ValueError(f"{type(model).__name__} makes layers in a hook such as setup: call it before the check")


def configured_optimizers(model: nn.Module) -> list[Optimizer]:
    """What a LightningModule's ``configure_optimizers`` makes, schedulers left out."""
    if not has_own(model, "configure_optimizers"):  # Lightning's own only warns
        return []
    return list(optimizers_in(model.configure_optimizers()))  # type: ignore[operator]


def optimizers_in(made: Any) -> Iterator[Optimizer]:
    if isinstance(made, Optimizer):
        yield made
    elif isinstance(made, Mapping):
        yield from optimizers_in(made.get("optimizer"))
    elif isinstance(made, (list, tuple)):
        for item in made:
            yield from optimizers_in(item)


def schedulers_in(made: Any) -> Iterator[Any]:
    if isinstance(made, Mapping):
        yield from schedulers_in(made.get("lr_scheduler" if "optimizer" in made else "scheduler"))
    elif isinstance(made, (list, tuple)):
        for item in made:
            yield from schedulers_in(item)
    elif made is not None and not isinstance(made, Optimizer):
        yield made
