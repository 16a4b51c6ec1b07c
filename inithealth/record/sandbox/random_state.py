"""The state of all random generators of the process: torch's on all devices, Python's, numpy's."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from inithealth.record.sandbox.restoring import Restorers

_Generator = tuple[Callable[[], Any], Callable[[Any], None]]  # how to read and to set its state


class RandomState:
    """The state at the time of its creation."""

    def __init__(self) -> None:
        self._states = [(read, write, read()) for read, write in _generators()]

    @property
    def current(self) -> bool:
        """Whether no number has been drawn since, or the state has been restored."""
        return all(_same(read(), state) for read, _, state in self._states)

    def restore(self) -> None:
        """Restore every generator, then raise the first error, if any."""
        restorers = Restorers(("generator", partial(write, state)) for _, write, state in self._states)
        for _, error in list(restorers.run()):
            raise error


def random_state() -> Callable[[], None]:
    """Return a function that restores all random generators."""
    return RandomState().restore


def _generators() -> Iterator[_Generator]:
    yield torch.get_rng_state, torch.set_rng_state
    yield random.getstate, random.setstate
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        yield torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all
    if torch.backends.mps.is_available():
        yield torch.mps.get_rng_state, torch.mps.set_rng_state
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        yield numpy.get_state, numpy.set_state


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return bool((one == other).all()) if hasattr(one, "shape") else bool(one == other)
