"""``--model-config FILE``: a model of a LightningCLI or Hydra configuration, or of transformers' config.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from inithealth import saved
from inithealth.cli.errors import BadInput
from inithealth.cli.locations import load
from inithealth.cli.yaml_text import parsed

_CALLED_LATER = (Optimizer, LRScheduler)  # the model instantiates them with its parameters
_MOST_BYTES = saved.MIB
_OWN_KEYS = {"_target_", "_partial_", "_recursive_", "_convert_"}


@dataclass(frozen=True)
class ModelConfig:
    """The model section of a configuration.

    Attributes:
        name: name of the model class; None if there are only arguments.
        arguments: arguments of the class, with nested objects not yet instantiated.
        data: creates the data module or loader; None if the configuration has none.
        plain: whether nothing in the arguments is a class to instantiate.
    """

    name: str | None
    arguments: dict[str, Any]
    data: Callable[[], Any] | None = None
    plain: bool = False

    def made_arguments(self) -> dict[str, Any]:
        """Return the arguments, with new objects for values that have a class path."""
        if self.plain:
            return deepcopy(self.arguments)
        return {key: made(value) for key, value in self.arguments.items()}


def read(file: str) -> ModelConfig:
    """Read the ``model`` section, or the whole file if it is one. Raises BadInput."""
    text = _text(file)
    of_transformers = _of_transformers(text) if file.lower().endswith(".json") else None
    if of_transformers is not None:
        return of_transformers
    content = _content(file, text)
    if not isinstance(content, Mapping):
        raise BadInput(f"{file} does not contain a mapping: write class_path and init_args, or _target_")
    section, data = content.get("model", content), content.get("data")
    if not isinstance(section, Mapping):
        raise BadInput(f"{file}: model must be a mapping with class_path and init_args, or _target_")
    if "${" in repr(section):
        raise BadInput(f"{file} has ${{...}} in it: resolve it first, as with python train.py --cfg job --resolve")
    name, arguments = _parts(section) or (None, dict(section))
    return ModelConfig(name, arguments, (lambda: made(data)) if data is not None and _parts(data) else None)


def _text(file: str) -> str:
    try:
        return saved.read(Path(file), _MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not valid YAML: {error}") from None
    except ValueError as error:
        raise BadInput(f"{file} {error}") from None


def _content(file: str, text: str) -> Any:
    try:
        return parsed(text)
    except ValueError as error:
        raise BadInput(f"{file} {error}") from None


def _of_transformers(text: str) -> ModelConfig | None:
    """Return the configuration of a model of transformers; None for another JSON file."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not content.keys() & {"model_type", "architectures"} or _parts(content):
        return None
    kinds = content.get("architectures")
    kind = kinds[0] if isinstance(kinds, list) and kinds else None
    return ModelConfig(f"transformers:{kind}" if isinstance(kind, str) else None, content, plain=True)


def _parts(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the class path and the arguments; None for a plain value."""
    if isinstance(value, Mapping) and "class_path" in value:
        return str(value["class_path"]), dict(value.get("init_args") or {})
    if isinstance(value, Mapping) and "_target_" in value:
        return str(value["_target_"]), {key: each for key, each in value.items() if key not in _OWN_KEYS}
    return None


def made(value: Any) -> Any:
    """Return the value with an object for each class path in it. Raises BadInput for an unknown class."""
    parts = _parts(value)
    if parts is None:
        if isinstance(value, Mapping):
            return {key: made(each) for key, each in value.items()}
        return [made(each) for each in value] if isinstance(value, list) else value
    kind, arguments = load(parts[0]), {key: made(each) for key, each in parts[1].items()}
    positional = arguments.pop("_args_", [])
    later = value.get("_partial_") or (isinstance(kind, type) and issubclass(kind, _CALLED_LATER))
    return partial(kind, *positional, **arguments) if later else kind(*positional, **arguments)
