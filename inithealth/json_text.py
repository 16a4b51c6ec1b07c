"""JSON in ASCII, in which no name can act as a command for a terminal or CI runner."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from inithealth.commands import without_brackets

_NOT_ASCII = re.compile(r"[^\x20-\x7e\n]")


def json_of(model: BaseModel, indent: int | None = 2) -> str:
    r"""Return the JSON of a model. A lone surrogate, which JSON cannot represent, is written as the text ``\ud800``."""
    try:
        text = model.model_dump_json(indent=indent)
    except PydanticSerializationError:
        text = type(model).model_validate(_encodable(model.model_dump())).model_dump_json(indent=indent)
    return _escaped(text)


def json_of_values(values: Any) -> str:
    """Return the JSON of lists and dictionaries, like :func:`json_of`."""
    return _escaped(json.dumps(_encodable(values), indent=2))


def _escaped(text: str) -> str:
    return without_brackets(_NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text), r"\u0023")


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    return [_encodable(each) for each in value] if isinstance(value, (list, tuple)) else value
