"""A fault that was reported in public, made small, and its healthy twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Generator, Tensor, nn

from benchmarks.judging.halves import FITTED, FRESH, Half, half

Batch = tuple[tuple[Any, ...], Callable[[Any], Tensor]]  # the model's arguments, and the loss of its output


@dataclass(frozen=True)
class Case:
    """One report.

    `build(True)` is the model with the fault, `build(False)` its healthy twin; both draw from torch's global
    generator. `batch(i)` is the i-th batch: the same for the same i, unlimited in number, and shared by the twins.
    """

    name: str
    source: str  # "owner/repository#number"
    fault: str  # in one sentence
    build: Callable[[bool], nn.Module]
    batch: Callable[[int], Batch]
    rules: tuple[str, ...]  # the codes that name this fault correctly
    layers: tuple[str, ...]  # the cause: modules or parameters by name; a prefix covers what is inside
    optimizer: Literal["sgd", "adam"]
    rates: tuple[float, ...]  # learning rates to choose the best of, for each twin by itself
    steps: int = 300
    known: bool = False  # the rules were written knowing this case, so it is fitted whatever its hash
    fresh: bool = False  # searched after the rules had been changed for the first cases, and never fitted

    @property
    def half(self) -> Half:
        if self.fresh:
            return FRESH
        return FITTED if self.known else half("field", self.name)

    def names_cause(self, layer: str) -> bool:
        """Whether `layer` is one of the case's causes, or is inside one."""
        return any(layer == each or layer.startswith(f"{each}.") for each in self.layers)


def generator(i: int) -> Generator:
    """The random state of batch `i`; negative numbers are for what the task itself is made of."""
    return Generator().manual_seed(1000 + i)
