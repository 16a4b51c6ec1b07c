"""Lightning under both of its names, and a LightningModule without its Trainer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

_NAMESPACES = ("pytorch_lightning", "lightning.pytorch")
_IGNORED = ("log", "log_dict", "print", "clip_gradients", "toggle_optimizer", "untoggle_optimizer")


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
    return is_lightning(model) and _has_own(model, "training_step")


def _has_own(model: nn.Module, method: str) -> bool:
    found = getattr(getattr(model, method), "__func__", None)
    return all(found is not getattr(home.LightningModule, method) for home in _loaded())


def _loaded() -> list[Any]:
    return [home for home in map(sys.modules.get, _NAMESPACES) if home is not None]


def configured_optimizers(model: nn.Module) -> list[Optimizer]:
    """What a LightningModule's ``configure_optimizers`` makes, schedulers left out."""
    if not _has_own(model, "configure_optimizers"):  # Lightning's own only warns
        return []
    return list(_optimizers_in(model.configure_optimizers()))  # type: ignore[operator]


def _optimizers_in(made: Any) -> Iterator[Optimizer]:
    if isinstance(made, Optimizer):
        yield made
    elif isinstance(made, Mapping):
        yield from _optimizers_in(made.get("optimizer"))
    elif isinstance(made, (list, tuple)):
        for item in made:
            yield from _optimizers_in(item)


def _schedulers_in(made: Any) -> Iterator[Any]:
    if isinstance(made, Mapping):
        yield from _schedulers_in(made.get("lr_scheduler" if "optimizer" in made else "scheduler"))
    elif isinstance(made, (list, tuple)):
        for item in made:
            yield from _schedulers_in(item)
    elif made is not None and not isinstance(made, Optimizer):
        yield made


@contextmanager
def without_trainer(model: nn.Module) -> Iterator[list[Tensor]]:
    """Within, a LightningModule's calls to its trainer do nothing; yields the losses it means to run backward on."""
    collected: list[Tensor] = []
    made: list[Any] = []  # configure_optimizers runs once, and only if it is asked for

    def configured() -> Any:
        if not made:
            made.append(model.configure_optimizers())  # type: ignore[operator]
        return made[0]

    stand_ins: dict[str, Any] = {
        **dict.fromkeys(_IGNORED, _nothing),
        "all_gather": lambda data, *args, **kwargs: data,
        "optimizers": lambda use_pl_optimizer=True: _one_or_all(_optimizers_in(configured()), none=[]),
        "lr_schedulers": lambda: _one_or_all(_schedulers_in(configured()), none=None),
        "manual_backward": lambda loss, *args, **kwargs: collected.append(loss),
    }
    before = {name: model.__dict__[name] for name in stand_ins if name in model.__dict__}
    model.__dict__.update(stand_ins)
    try:
        with _Collecting(collected):
            yield collected
    finally:
        for name in stand_ins:
            model.__dict__.pop(name, None)
        model.__dict__.update(before)


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _one_or_all(found: Iterator[Any], none: Any) -> Any:
    """As Lightning answers: the only one by itself, several as a list."""
    idle = [_Idle(each) for each in found]
    return none if not idle else idle[0] if len(idle) == 1 else idle


class _Collecting(TorchFunctionMode):
    """Keeps the losses of ``loss.backward()`` instead of running it: in manual optimization both ways are in use."""

    def __init__(self, collected: list[Tensor]) -> None:
        super().__init__()
        self._collected = collected

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.backward:
            self._collected.append(args[0])
            return None
        return func(*args, **(kwargs or {}))


class _Idle:
    """An optimizer or a scheduler that answers every call and steps nothing."""

    def __init__(self, real: Any) -> None:
        self._real = real

    @property
    def optimizer(self) -> _Idle:
        return self

    def step(self, closure: Any = None, *args: Any, **kwargs: Any) -> Any:
        return closure() if callable(closure) else None

    def zero_grad(self, set_to_none: bool = True) -> None:
        return None

    @contextmanager
    def toggle_model(self, sync_grad: bool = True) -> Iterator[None]:
        yield

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
