"""A threshold is a field with a meaning, a unit and a range."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from inithealth.evidence.limits import Limits, limit, unit_of


class Some(Limits):
    plain: float = limit(0.5, "how much", unit="share", at_least=0.0)
    size: float = limit(2.0, "how large", unit="rms", above=0.0)
    other: float = 1.0


def test_a_limit_has_a_default_a_meaning_and_a_unit() -> None:
    field = Some.model_fields["plain"]
    assert (Some().plain, field.description, unit_of(field)) == (0.5, "how much", "share")
    assert unit_of(Some.model_fields["other"]) == ""


@pytest.mark.parametrize("given", [{"plain": 0.0}, {"plain": 7.0}, {"size": 1e-9}])
def test_values_in_range(given: dict[str, float]) -> None:
    assert Some(**given).model_dump(include=set(given)) == given


@pytest.mark.parametrize("given", [{"plain": -1e-9}, {"size": 0.0}, {"size": -1.0}, {"sice": 1.0}])
def test_values_out_of_range_and_unknown_names_are_rejected(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Some(**given)


def test_limits_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Some().plain = 1.0
