"""Both Lightning namespaces, and the methods that a LightningModule defines."""

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
# Hooks that Lightning calls before the first training_step, in this order.
_START_HOOKS = (
    "setup",
    "configure_optimizers",
    "on_fit_start",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
)


def callback_bases() -> tuple[type[Any], ...]:
    """Return the Callback class of each installed namespace. Raises ImportError if there is none."""
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
    """Keep the logger of the first namespace: importing the second one would replace it and its settings."""
    rank_zero = sys.modules.get("lightning_utilities.core.rank_zero")
    logger = getattr(rank_zero, "log", None)
    yield
    if rank_zero is not None and logger is not None:
        rank_zero.log = logger  # type: ignore[attr-defined]


def is_tensorboard(logger: Any) -> bool:
    """Return whether a Lightning logger writes TensorBoard events."""
    homes = [sys.modules.get(f"{name}.loggers") for name in _NAMESPACES]
    return any(home is not None and isinstance(logger, home.TensorBoardLogger) for home in homes)


def is_lightning(model: nn.Module) -> bool:
    """Return whether it is a LightningModule of either namespace, without importing them."""
    return any(isinstance(model, home.LightningModule) for home in _loaded())


def trains_itself(model: nn.Module) -> bool:
    """Return whether it is a LightningModule that defines ``training_step``."""
    return is_lightning(model) and has_own(model, "training_step")


def has_own(model: nn.Module, method: str) -> bool:
    """Whether a LightningModule defines that method itself."""
    found = getattr(getattr(model, method), "__func__", None)
    return all(found is not getattr(home.LightningModule, method) for home in _loaded())


def _loaded() -> list[Any]:
    return [home for home in map(sys.modules.get, _NAMESPACES) if home is not None]


def home_of(model: nn.Module) -> Any:
    """Return the namespace of a LightningModule."""
    return next(home for home in _loaded() if isinstance(model, home.LightningModule))


@contextmanager
def with_attributes(module: nn.Module, attributes: dict[str, Any]) -> Iterator[None]:
    """Set attributes of the module in the context; restore them and its hyperparameters on exit."""
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
    """Return the hooks that a LightningModule defines and that run before its first ``training_step``."""
    return [name for name in _START_HOOKS if has_own(model, name)]


def run_start_hooks(model: nn.Module, batch: Any, failure: str) -> None:
    """Call the hooks that Lightning calls before the first ``training_step``.

    Args:
        failure: the error of the ``training_step`` that ran without them.

    Raises:
        ValueError: a hook failed or created parameters.
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
        raise ValueError(f"{type(model).__name__} creates layers in a hook such as setup: call it before the check")


def configured_optimizers(model: nn.Module) -> list[Optimizer]:
    """Return the optimizers of a LightningModule's ``configure_optimizers``, without schedulers."""
    if not has_own(model, "configure_optimizers"):  # Lightning's default only warns
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
