"""Settings of single layers: other options, ignored rules, suppressed findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.evidence.facts import with_limits
from inithealth.evidence.limits import SharedLimits
from inithealth.findings import Finding
from inithealth.recording import Recording
from inithealth.rules.base import Rule
from inithealth.settings import Override, Settings, Suppression, matches_rule

Places = tuple[int, ...]  # of overrides in the settings


@dataclass(frozen=True)
class _Variant:
    """The rules with the options of some layers, and the recording with their limits."""

    rules: dict[str, Rule]
    recording: Recording
    shares: bool  # whether limits that affect other rules differ


def judged(rules: Sequence[Rule], recording: Recording, settings: Settings) -> list[tuple[Rule, Finding]]:
    """Return the rules' findings, each by the options of all overrides that cover its root-cause layer.

    Findings are left out if all their layers ignore the rule.

    Args:
        rules: with the options of layers without overrides.
        recording: with the limits of these rules.
    """
    covering = {layer.module: _covering(layer.module, settings.overrides) for layer in recording.layers}
    variants = {places: _variant(places, recording, settings) for places in set(covering.values()) if places}
    found: list[tuple[Rule, Finding]] = []
    for rule in rules:
        general = list(rule.check(recording))
        found += [(rule, finding) for finding in general if not _places(finding, covering)]
        for places, variant in sorted(variants.items()):
            own = variant.rules[rule.name]
            findings = own.check(variant.recording) if variant.shares or own != rule else general
            found += [(own, finding) for finding in findings if _places(finding, covering) == places]
    return [(rule, finding) for rule, finding in found if not _ignored(finding, settings.overrides)]


def _covering(layer: str, overrides: Sequence[Override]) -> Places:
    return tuple(place for place, each in enumerate(overrides) if each.rules and each.covers(layer))


def _places(finding: Finding, covering: dict[str, Places]) -> Places:
    return covering.get(finding.layers[0], ()) if finding.layers else ()


def _variant(places: Places, recording: Recording, settings: Settings) -> _Variant:
    rules = settings.configured_rules([settings.overrides[place] for place in places])
    pairs = zip(rules, settings.configured_rules(), strict=True)
    shares = any(isinstance(own, SharedLimits) and own != general for own, general in pairs)
    return _Variant({rule.name: rule for rule in rules}, with_limits(recording, rules), shares)


def _ignored(finding: Finding, overrides: Sequence[Override]) -> bool:
    mine = [each for each in overrides if matches_rule(each.ignore, finding.code, finding.rule)]
    return bool(finding.layers) and all(any(each.covers(layer) for each in mine) for layer in finding.layers)


def suppressed(findings: Sequence[Finding], settings: Settings) -> tuple[tuple[Finding, ...], tuple[Suppression, ...]]:
    """Return the findings, with the reason of those that are suppressed, and the unused suppressions."""
    unused = list(settings.suppress)
    marked = []
    for finding in findings:
        covering = [each for each in settings.suppress if each.covers(finding.code, finding.rule, finding.layers)]
        unused = [each for each in unused if each not in covering]
        marked.append(finding.model_copy(update={"suppressed": covering[0].reason}) if covering else finding)
    return tuple(marked), tuple(unused)
