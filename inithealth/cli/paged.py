"""``--memory 8GB``: a check of a model that is larger than the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from inithealth.cli.errors import BadInput
from inithealth.cli.optimizers import optimizer_of
from inithealth.cli.targets import Subject
from inithealth.findings import Report
from inithealth.record.paged.checkpoint import Checkpoint
from inithealth.record.paged.memory_size import bytes_of
from inithealth.settings import Settings


@dataclass(frozen=True)
class Room:
    """The memory of a check.

    Attributes:
        memory: in bytes.
        weights: a folder of safetensors with the weights; None to make them as the model initializes them.
    """

    memory: int
    weights: str | None = None


def room_of(memory: str | None, weights: str | None, *, verify: bool | None) -> Room | None:
    """Return the memory that the options give; None without ``--memory``. Raises BadInput.

    Args:
        verify: None if the option is not given.
    """
    if memory is None:
        if weights is not None:
            raise BadInput("--weights needs --memory: add --memory 8GB, the memory that the check may use")
        return None
    if verify:
        raise BadInput("--verify and --memory cannot be combined: each fix would need another check of the large model")
    try:
        if weights is not None:
            Checkpoint.of(weights)  # an invalid file is reported before the model is built
    except ValueError as error:
        raise BadInput(f"--weights: {error}") from None
    try:
        return Room(bytes_of(memory), weights)
    except ValueError as error:
        raise BadInput(f"--memory: {error}") from None


def paged_report(
    build: Callable[[], Subject],
    batch: Callable[[Subject], Any],
    room: Room,
    settings: Settings,
    optimizer: str | None,
    progress: Callable[[str], None],
) -> Report:
    """Return the report of a model that is built while it is checked.

    Args:
        build: builds the model, and its batch and loss if the target has them.
        batch: returns the batch for what was built; the model's weights have no memory then.
    """
    from inithealth.sessions.paged import Given, Source, paged_check  # its imports of torch take seconds

    built: list[Subject] = []

    def model() -> nn.Module:
        built[:] = [build()]
        return built[0].model

    def given(model: nn.Module) -> Given:
        return Given(batch(built[0]), built[0].loss, optimizer_of(optimizer, model))

    return paged_check(
        Source(model, weights=room.weights), given, settings=settings, memory=room.memory, progress=progress
    )
