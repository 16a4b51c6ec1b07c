"""The construction of an everyday network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Generator, Tensor, nn

from ..nets import Case, Net

Drawn = tuple[Any, Callable[[Any], Tensor]]  # a batch and its loss
SEED = 31


def everyday(name: str, family: str, model: Callable[[], nn.Module], draw: Callable[[Generator], Drawn]) -> Net:
    """Return a network whose batch has its own generator, so it does not depend on the seed of the weights."""

    def build() -> Case:
        return Case(model(), *draw(Generator().manual_seed(SEED)))

    return Net(f"everyday/{name}", family, build)
