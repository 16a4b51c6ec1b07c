"""Thresholds as typed fields with a meaning and a unit; a rule that inherits them has them as options."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Limits(BaseModel):
    """Thresholds of one module, defined next to the code that uses them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SharedLimits(Limits):
    """Thresholds that several rules use. One rule inherits them; the others get them with `facts.limits_of`."""


def limit(default: Any, meaning: str, *, unit: str, at_least: float | None = None, above: float | None = None) -> Any:
    """Return a threshold as a field of a rule or of limits.

    Args:
        meaning: what it limits and why it has this default, with the measured values that support it.
        unit: the unit of its value.
        at_least: smaller values are rejected.
        above: this value and smaller ones are rejected.
    """
    return Field(default, ge=at_least, gt=above, description=meaning, json_schema_extra={"unit": unit})


def unit_of(field: FieldInfo) -> str:
    """Return the unit of a field made by :func:`limit`; empty for other fields."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""
