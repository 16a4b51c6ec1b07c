"""``transformers:NAME``: a model with random weights. Nothing is downloaded, and no code of a repository is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from inithealth.cli.errors import BadInput, first_line
from inithealth.suggest import unknown

# Fields of a config.json that name the classes of code in a repository.
_CODE = ("auto_map", "custom_pipelines")


def transformers_model(library: Any, name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return a model given its class (``BertForMaskedLM``, ``AutoModelForCausalLM``) or model type (``bert``).

    The weights have the dtype of the configuration, ``dtype`` or ``torch_dtype``, as transformers itself creates them.

    Args:
        arguments: fields of the configuration; ``model_type`` and ``architectures`` if it is of a config.json.
    """
    fields = {key: value for key, value in arguments.items() if key not in _CODE}
    given = fields.pop("model_type", None)
    kind = getattr(library, name, None)
    if kind is None and name in library.CONFIG_MAPPING:
        return _created(name, library.AutoModel, _config(library, name, _same(name, given, name), fields))
    if kind is None:
        raise BadInput(unknown("model of transformers", name, [*library.CONFIG_MAPPING, *dir(library)]))
    own = getattr(kind, "config_class", None)
    if own is not None:
        _same(name, given, getattr(own, "model_type", given))
        return _created(name, kind, _explained(name, own, fields))
    if not hasattr(kind, "from_config"):
        raise BadInput(f"transformers:{name} is not a class of models: give one, as transformers:AutoModelForCausalLM")
    if given is None:
        raise BadInput(
            f"transformers:{name} needs model_type: add --arg model_type=llama, or --model-config config.json with one"
        )
    return _created(name, kind, _config(library, name, given, fields))


def _same(name: str, given: Any, needed: Any) -> Any:
    """Return the model type. Raises BadInput if the configuration has another one than the class."""
    if given is not None and given != needed:
        raise BadInput(f"transformers:{name} needs a configuration of model_type {needed!r}, not {given!r}")
    return needed


def _config(library: Any, name: str, model_type: Any, fields: Mapping[str, Any]) -> Any:
    if model_type not in list(library.CONFIG_MAPPING):  # a list: a value of any JSON type can be compared
        raise BadInput(f"model_type: {unknown('model type of transformers', str(model_type), library.CONFIG_MAPPING)}")
    return _explained(name, lambda **values: library.AutoConfig.for_model(model_type, **values), fields)


def _explained(name: str, make: Any, fields: Mapping[str, Any]) -> Any:
    try:
        return make(**fields)
    except Exception as error:
        reason = " ".join(first_line(error).split() + str(error).split("\n")[1:2])
        raise BadInput(f"transformers:{name} does not accept the configuration: {' '.join(reason.split())}") from None


def _created(name: str, kind: Any, config: Any) -> nn.Module:
    """Return the model of a configuration, with the dtype of the configuration."""
    if hasattr(kind, "_from_config"):
        model: nn.Module = kind._from_config(config)
        return model
    try:
        model = kind.from_config(config)
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        message = f"transformers:{name} has no model for a configuration of model_type {config.model_type!r}"
        raise BadInput(message) from None
    return model
