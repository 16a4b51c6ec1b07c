"""What settings make of single layers: judged otherwise, not judged, or known and meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inithealth.findings import Finding
from inithealth.recording import Recording
from inithealth.rules.base import Rule
from inithealth.settings import Override, Settings, Suppression, matches_rule


def judged(rule: Rule, recording: Recording, overrides: Sequence[Override]) -> Iterator[Finding]:
    """A rule's findings: each as the last override that covers its culprit has it, none where all layers ignore it."""
    mine = [each for each in overrides if rule.name in each.rules]
    for place, own in enumerate([None, *mine]):
        options = {} if own is None else own.rules[rule.name]
        variant = type(rule)(**{**rule.model_dump(), **options}) if options else rule
        for finding in variant.check(recording):
            last = max((at for at, each in enumerate(mine, 1) if _culprit_of(finding, each)), default=0)
            if last == place and not _ignored(finding, overrides):
                yield finding


def _culprit_of(finding: Finding, override: Override) -> bool:
    return bool(finding.layers) and override.covers(finding.layers[0])


def _ignored(finding: Finding, overrides: Sequence[Override]) -> bool:
    mine = [each for each in overrides if matches_rule(each.ignore, finding.code, finding.rule)]
    return bool(finding.layers) and all(any(each.covers(layer) for each in mine) for layer in finding.layers)


def suppressed(findings: Sequence[Finding], settings: Settings) -> tuple[tuple[Finding, ...], tuple[Suppression, ...]]:
    """The findings, those that are meant with their reason; and the suppressions that none needs."""
    unused = list(settings.suppress)
    marked = []
    for finding in findings:
        meant = [each for each in settings.suppress if each.covers(finding.code, finding.rule, finding.layers)]
        unused = [each for each in unused if each not in meant]
        marked.append(finding.model_copy(update={"suppressed": meant[0].reason}) if meant else finding)
    return tuple(marked), tuple(unused)
