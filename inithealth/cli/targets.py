"""A target: the model to check, and its batch and loss if it has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from inithealth.cli import libraries
from inithealth.cli.arguments import refuse_misfits
from inithealth.cli.errors import BadInput, theirs
from inithealth.cli.locations import load
from inithealth.cli.model_config import ModelConfig


@dataclass(frozen=True)
class Subject:
    """A model, with its batch and loss if the target has them.

    Attributes:
        make_batch: makes the batch of a library's model.
    """

    model: nn.Module
    batch: Any = None
    loss: Any = None
    make_batch: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Target:
    """The source of models.

    Attributes:
        name: the name as given on the command line.
        create: creates a new subject; returns the same one each time if the target is a model.
        doing: what `create` does, for the message of an error.
        fresh: whether each subject has a new initialization.
        code: the function or class that creates it, used as source location.
    """

    name: str
    create: Callable[[], Subject]
    doing: str
    fresh: bool
    code: Any = None

    def make(self) -> Subject:
        """Return what `create` returns. Raises BadInput for any error in it, after the user's frames are shown."""
        return theirs(self.doing, self.create)


def find(name: str | None, arguments: Mapping[str, Any] | None = None, config: ModelConfig | None = None) -> Target:
    """Return the target with that name, or that of the configuration. Raises BadInput if there is none.

    Args:
        arguments: arguments of the class or function; they override those of the configuration.
    """
    name = name if name is not None else config.name if config is not None else None
    if name is None:
        raise BadInput("no model: give TARGET, or --model-config with class_path, _target_ or architectures in it")
    given = {**(config.arguments if config is not None else {}), **(arguments or {})}

    def made() -> dict[str, Any]:
        return {**(config.made_arguments() if config is not None else {}), **(arguments or {})}

    library, _, rest = name.partition(":")
    if library in libraries.MAKERS and rest:
        return Target(name, lambda: _of_library(library, rest, made()), f"making {name}", fresh=True)
    found = load(name)
    if isinstance(found, nn.Module):
        if given:
            raise BadInput(f"{name} is already a model: arguments need a class or a function that creates one")
        return Target(name, lambda: Subject(found), f"taking {name}", fresh=False, code=type(found))
    if not callable(found):
        raise BadInput(f"{name} is a {type(found).__name__}: give a module, a class, or a function that returns one")
    refuse_misfits(name, found, given)
    return Target(name, lambda: _subject(name, found(**made())), f"calling {name}", fresh=True, code=found)


def _of_library(library: str, name: str, arguments: Mapping[str, Any]) -> Subject:
    model, make_batch = libraries.MAKERS[library](name, arguments)
    return Subject(model, make_batch=make_batch)


def _subject(name: str, made: Any) -> Subject:
    """Return model, batch and loss from what a factory returned. Raises BadInput if there is no model."""
    parts = tuple(made) if isinstance(made, (tuple, list)) else (made,)
    if not 1 <= len(parts) <= 3 or not isinstance(parts[0], nn.Module):
        returned = ", ".join(type(part).__name__ for part in parts) or "nothing"
        raise BadInput(f"{name} returned {returned}: it must return model, (model, batch) or (model, batch, loss)")
    return Subject(*parts)
