"""Each option of each rule has an effect: at its extremes, the findings of some recording change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import pytest
from pydantic import ValidationError

from inithealth import Finding, Rule, Severity
from inithealth.evidence.facts import with_limits
from inithealth.evidence.limits import SharedLimits
from inithealth.recording import Recording
from inithealth.rules.base import limit, unit_of
from inithealth.rules.catalogue import catalogue
from tests.rules.random_recordings import random_recording
from tests.rules.special_recordings import (
    blocked_recording,
    bounded_recording,
    cosine_recording,
    generated_recording,
    likelihood_recording,
    normalized_recording,
    odd_recording,
    recurrent_recording,
    regression_recording,
    special_recording,
    zero_recording,
)

RECORDINGS = 400
PARTS = 6
RARE = (
    blocked_recording,
    bounded_recording,
    cosine_recording,
    generated_recording,
    likelihood_recording,
    normalized_recording,
    odd_recording,
    recurrent_recording,
    regression_recording,
    zero_recording,
)
OPTIONS = [(rule, option) for rule in catalogue() for option in rule.model_fields]
IDS = [f"{rule.name}-{option}" for rule, option in OPTIONS]


@lru_cache(maxsize=1)
def pool() -> tuple[Recording, ...]:
    special = tuple(special_recording(seed) for seed in range(RECORDINGS))
    rare = (each(seed) for each in RARE for seed in range(40))
    return (*special, *rare, *map(random_recording, range(RECORDINGS)))


def extremes(rule: type[Rule], option: str) -> Iterator[Rule]:
    """Yield the rule with the option far below and far above its default, within its valid range."""
    default, unit = rule.model_fields[option].default, unit_of(rule.model_fields[option])
    most = 100.0 if unit.startswith("octaves") else 1e12  # larger powers of two exceed the range of floats
    numbers = (-most, 0, 1e-12, 0.3, 1, 2, 5, 50, most)
    values: Sequence[Any] = (True, False) if isinstance(default, bool) else numbers
    for value in values:
        try:
            yield rule(**{option: int(value) if isinstance(default, int) else value})
        except (ValidationError, OverflowError):
            continue


def found(rule: Rule, recording: Recording) -> list[Finding] | None:
    return None if rule.skipped(recording) is not None else list(rule.check(recording))


@cache
def usual(rule: type[Rule]) -> tuple[list[Finding] | None, ...]:
    return tuple(found(rule(), recording) for recording in pool())


def acts(changed: Rule, judges: type[Rule], recordings: Sequence[Recording], before: Sequence[Any]) -> bool:
    """Return whether a rule with changed options, or another one that shares its limits, finds something else."""
    judge = changed if judges is type(changed) else judges()
    return any(
        found(judge, with_limits(recording, [changed])) != known
        for recording, known in zip(recordings, before, strict=True)
    )


@pytest.mark.parametrize(("rule", "option"), OPTIONS, ids=IDS)
def test_an_option_has_an_effect(rule: type[Rule], option: str) -> None:
    changed = list(extremes(rule, option))
    assert len(changed) > 1
    # A part of the recordings for all extremes first: it shows the effect of most options.
    parts = [slice(first, None, PARTS) for first in range(PARTS)]
    assert any(acts(each, rule, pool()[part], usual(rule)[part]) for part in parts for each in changed)


@pytest.mark.parametrize(("rule", "option"), OPTIONS, ids=IDS)
def test_an_option_has_a_meaning_and_a_unit(rule: type[Rule], option: str) -> None:
    field = rule.model_fields[option]
    assert field.description
    assert unit_of(field)


class Idle(Rule):
    """A rule with an option that does nothing."""

    code = "IH999"
    name = "idle"
    severity = Severity.INFO
    most: float = limit(1.0, "nothing", unit="none")

    def check(self, recording: Recording) -> Iterator[Finding]:
        yield from ()


def test_an_option_without_an_effect_fails() -> None:
    before = [found(Idle(), recording) for recording in pool()]
    assert not any(acts(each, Idle, pool(), before) for each in extremes(Idle, "most"))


# Limits of one rule that affect others, each of which must use it.
SHARED = {
    ("pretrained-weights", "max_random_edge"): "weight-scale uninitialised-weights correlated-outputs",
    ("pretrained-weights", "min_share"): "weight-scale uninitialised-weights correlated-outputs",
    ("pretrained-weights", "min_matrices"): "weight-scale uninitialised-weights correlated-outputs",
    ("pretrained-weights", "min_side"): "weight-scale",
    ("pretrained-weights", "max_row_cosine"): "weight-scale",
    ("loss-at-init", "max_logits_std"): "weight-scale",
    ("saturated-attention", "max_std"): "weight-scale",
    ("exploding-activations", "high_rms"): "weight-scale",
    ("exploding-activations", "high_rms_normalized"): "weight-scale",
    ("exploding-gradients", "high_growth"): "weight-scale",
    ("exploding-gradients", "high_growth_normalized"): "weight-scale",
    ("vanishing-activations", "min_fan"): "weight-scale",
    ("dead-units", "max_share"): "correlated-outputs",
    ("dead-units", "min_units_beside"): "no-gradient",
    ("saturated-units", "max_share"): "correlated-outputs",
}


@pytest.mark.parametrize(("owner", "option", "other"), [(*k, o) for k, each in SHARED.items() for o in each.split()])
def test_a_shared_limit_affects_every_rule_that_uses_it(owner: str, option: str, other: str) -> None:
    rules = {rule.name: rule for rule in catalogue()}
    assert issubclass(rules[owner], SharedLimits)
    assert any(acts(each, rules[other], pool(), usual(rules[other])) for each in extremes(rules[owner], option))
