"""Thresholds as typed fields: each has a meaning and a unit, and the rule that inherits them makes options of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Limits(BaseModel):
    """Thresholds of one kind of evidence, kept beside the code that they act in."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SharedLimits(Limits):
    """Thresholds that act in several rules. One rule inherits them; the others look them up in the facts."""


def limit(default: Any, meaning: str, *, unit: str, at_least: float | None = None, above: float | None = None) -> Any:
    """A threshold as a field of a rule or of limits.

    Args:
        meaning: what it limits and why it has this value, with the numbers that it rests on.
        unit: what it is counted or measured in.
        at_least: smaller values are rejected.
        above: that value and smaller ones are rejected.
    """
    return Field(default, ge=at_least, gt=above, description=meaning, json_schema_extra={"unit": unit})


def unit_of(field: FieldInfo) -> str:
    """The unit of a field made by :func:`limit`; empty for one that was not."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""
