"""The stages of cause and consequence."""

from __future__ import annotations

from inithealth.rules.base import Rule
from inithealth.rules.catalogue import catalogue
from inithealth.rules.causality import Stage


def test_every_rule_has_a_named_stage() -> None:
    assert all(isinstance(rule.rank, Stage) for rule in catalogue())
    assert all(isinstance(rank, Stage) for rule in catalogue() for rank in rule.variant_ranks.values())
    assert Rule.rank == Stage.OTHER == 50  # of rules of plugins


def test_every_stage_is_used() -> None:
    used = {rule.rank for rule in catalogue()} | {rank for rule in catalogue() for rank in rule.variant_ranks.values()}
    assert {*used, Rule.rank} == set(Stage)


def test_stages_are_in_order_and_differ() -> None:
    values = [stage.value for stage in Stage]
    assert values == sorted(set(values))
