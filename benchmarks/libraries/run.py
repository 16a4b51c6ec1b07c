"""The input of this benchmark: a Lightning training of a library, or a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn
from torch.optim import Optimizer


class Watch(Protocol):
    """Registers what a loop trains, and returns its monitor: one that does nothing in the plain twin."""

    def __call__(self, model: nn.Module, optimizers: Optimizer | Sequence[Optimizer], scaler: Any = None) -> Any: ...


@dataclass(frozen=True)
class Run:
    """A Lightning training. ``fit`` trains with the given keywords of ``Trainer``.

    A library that makes its own Trainer passes them on; others use :func:`fitted`.
    """

    name: str  # "scvi-tools/SCVI"
    fit: Callable[[dict[str, Any]], object]
    home: str = "lightning.pytorch"  # namespace of the library's Trainer
    kind: str = ""  # what is unusual: "manual optimization", "two optimizers", ...


@dataclass(frozen=True)
class Loop:
    """A plain loop. ``train`` takes the number of steps, returns the loss of each, and calls the Watch once."""

    name: str
    train: Callable[[int, Watch], list[float]]
    kind: str = ""


def fitted(
    home: str, model: Callable[[], Any], data: Callable[[], Any], epochs: int = 1000
) -> Callable[[dict[str, Any]], object]:
    """Return a ``fit`` for a library that leaves the Trainer to the user.

    Args:
        epochs: for a model whose schedule depends on it; the benchmark ends the training by itself.
    """

    def fit(options: dict[str, Any]) -> None:
        from importlib import import_module

        import_module(home).Trainer(max_epochs=epochs, **options).fit(model(), data())

    return fit
