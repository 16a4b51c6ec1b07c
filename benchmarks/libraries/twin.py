"""What a training leaves behind: digests that are equal only if every bit is, losses, sizes and CPU time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inithealth import Report


@dataclass(frozen=True)
class Twin:
    """One training. Digests are of the weights and buffers, the optimizers' states and the random states."""

    digests: tuple[str, str, str]
    losses: tuple[float, ...]
    seconds: float  # of CPU time
    event_bytes: int
    checkpoint_bytes: int  # 0: this training has no checkpoint
    report: Report | None = None

    def same(self, other: Twin) -> bool:
        """Return whether both trainings are identical bit by bit, including their losses."""
        return self.digests == other.digests and repr(self.losses) == repr(other.losses)


def seed(value: int) -> None:
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def digests(states: dict[str, Any], optimizers: Sequence[Any]) -> tuple[str, str, str]:
    """Return the digests of a model's state, of its optimizers, and of the random states."""
    draws = [torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=True)]
    return _digest(states), _digest([each.state_dict() for each in optimizers]), _digest(draws)


def size(folder: Path) -> int:
    """Return the bytes of TensorBoard's event files in a folder, where a library may also keep its checkpoints."""
    return sum(path.stat().st_size for path in folder.rglob("*tfevents*"))


def _digest(value: Any) -> str:
    total = hashlib.sha256()
    for part in _parts(value):
        total.update(part)
    return total.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, Tensor):
        array = value.detach().cpu().contiguous()
        yield f"{array.dtype}{tuple(array.shape)}".encode()
        yield array.reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray):
        yield value.tobytes()
    elif isinstance(value, dict):
        for key in value:
            yield repr(key).encode()
            yield from _parts(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, (bool, int, float, str, type(None))):
        yield repr(value).encode()
    # Other objects, such as functions in the state of an optimizer, have no value that two trainings share.
