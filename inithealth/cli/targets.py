"""``package.module:name`` -> the object, and whatever it is -> a model, a batch, a loss."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from inithealth.cli import libraries
from inithealth.cli.errors import BadInput, first_line, show_their_frames, their_frames
from inithealth.suggest import unknown

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """What is to be judged."""

    model: nn.Module
    batch: Any = None
    loss: Any = None


@dataclass(frozen=True)
class Target:
    """Where models come from.

    Attributes:
        name: as it was typed.
        make: a new subject; the same one each time where the target is a model already.
        fresh: whether each is initialized anew.
        code: the function or class that makes it, to point at.
    """

    name: str
    make: Callable[[], Subject]
    fresh: bool
    code: Any = None


def find(name: str) -> Target:
    """The target of that name. Raises BadInput where there is none."""
    library, _, rest = name.partition(":")
    if library in libraries.MAKERS and rest:
        return Target(name, lambda: Subject(*_theirs(f"making {name}", libraries.MAKERS[library], rest)), fresh=True)
    found = load(name)
    if isinstance(found, nn.Module):
        return Target(name, lambda: Subject(found), fresh=False, code=type(found))
    if not callable(found):
        raise BadInput(f"{name} is a {type(found).__name__}: give a module, a class, or a function that returns one")
    missing = [
        p.name for p in _parameters(found) if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if missing:
        raise BadInput(f"{name} needs {', '.join(missing)}: give a function without arguments that makes the model")
    return Target(name, lambda: _subject(name, _theirs(f"calling {name}", found)), fresh=True, code=found)


def _parameters(found: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):  # of code that is not Python
        return []


def load(name: str) -> Any:
    """The object of ``package.module:name``. Raises BadInput."""
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise BadInput(
            f"{name!r} is no target: write package.module:name, or one of timm:, torchvision:, transformers:NAME"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")  # as python -m does: what lies in this folder can be imported
    found = _imported(module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise BadInput(
                f"{name}: {unknown('name', part, [each for each in dir(found) if not each.startswith('_')])}"
            )
        found = getattr(found, part)
    return found


def _imported(module: str) -> Any:
    try:
        return _theirs(f"importing {module}", importlib.import_module, module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise BadInput(f"no module {error.name!r} here: run it in the folder that holds the package") from None
        raise BadInput(f"importing {module} raised {first_line(error)}") from None


def _subject(name: str, made: Any) -> Subject:
    """What a factory has returned."""
    parts = tuple(made) if isinstance(made, (tuple, list)) else (made,)
    if not 1 <= len(parts) <= 3 or not isinstance(parts[0], nn.Module):
        told = ", ".join(type(part).__name__ for part in parts) or "nothing"
        raise BadInput(f"{name} returned {told}: it must return model, (model, batch) or (model, batch, loss)")
    return Subject(*parts)


def _theirs(doing: str, call: Callable[..., T], *args: Any) -> T:
    """Run the user's code. What it raises is shown with their frames and told in one line."""
    with guarded(doing):
        return call(*args)


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Around the user's code: what it prints goes to stderr, what it raises is shown and told in one line."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except BadInput:
        raise
    except SystemExit as error:
        raise BadInput(f"{doing} called sys.exit({error.code!r})") from None
    except ModuleNotFoundError as error:
        if not their_frames(error):
            raise
        show_their_frames(error)
        raise BadInput(f"{doing} raised {first_line(error)}") from None
    except Exception as error:
        show_their_frames(error)
        raise BadInput(f"{doing} raised {first_line(error)}") from None
