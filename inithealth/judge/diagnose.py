"""Applies the rules to a recording and returns a report: causes first, each followed by its consequences."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from inithealth.evidence import few_samples
from inithealth.evidence.facts import with_limits
from inithealth.findings import Finding, Report, Severity, Skipped
from inithealth.judge.overrides import judged, suppressed
from inithealth.recording import Recording
from inithealth.rules import steps
from inithealth.rules.base import Rule
from inithealth.rules.catalogue import catalogue
from inithealth.settings import Settings


def diagnose(recording: Recording, settings: Settings) -> Report:
    """Return the report of a recording by the selected rules."""
    recording = with_limits(recording, settings.configured_rules())
    rules = settings.selected_rules()
    skipped = [Skipped(code=r.code, rule=r.name, reason="not selected") for r in _left_out(rules)]
    applicable = []
    for rule in rules:
        reason = rule.skipped(recording)
        if reason is not None:
            skipped.append(Skipped(code=rule.code, rule=rule.name, reason=reason))
        else:
            applicable.append(rule)
    findings, unused = suppressed(folded(judged(applicable, recording, settings)), settings)
    idle = tuple(f"unused suppression: {each.rule} on {', '.join(each.layers)} matches no finding" for each in unused)
    return Report(
        model=recording.model,
        findings=findings,
        layers=recording.layers,
        measurements=recording.steps[0].layers if recording.steps else (),
        skipped=tuple(sorted(skipped, key=lambda item: item.code)),
        not_measured=(*recording.not_measured, *few_samples.unmeasured(recording)),
        notes=(*recording.notes, *idle),
        fail_on=settings.fail_on,
        step=recording.steps[-1].index if recording.steps else 0,
        versions=versions(),
    )


def of_steps(recording: Recording, settings: Settings) -> list[Finding]:
    """Return the findings of the rules that compare steps only: cheap enough for every watched step."""
    recording = with_limits(recording, settings.configured_rules())
    rules = [rule for rule in settings.selected_rules() if type(rule).__module__.startswith(f"{steps.__name__}.")]
    applicable = [rule for rule in rules if rule.skipped(recording) is None]
    return [finding for _, finding in judged(applicable, recording, settings)]


def folded(found: Sequence[tuple[Rule, Finding]]) -> tuple[Finding, ...]:
    """Return the causes, worst first, each followed by its consequences; a cause gets the highest severity of them."""
    # A finding of an earlier step may explain one of a later step, but not the reverse.
    ordered = sorted(found, key=lambda pair: (pair[1].step, pair[0].order(pair[1])))
    parent: dict[int, int] = {}
    for place, (own, symptom) in enumerate(ordered):
        for earlier, (rule, cause) in enumerate(ordered[:place] if own.may_follow(symptom) else ()):
            # A finding of severity info explains nothing.
            if cause.severity > Severity.INFO and rule.accounts_for(cause, symptom):
                parent[place] = parent.get(earlier, earlier)
                break
    families = [
        (cause, [ordered[child][1] for child, root in parent.items() if root == place])
        for place, (_, cause) in enumerate(ordered)
        if place not in parent
    ]
    families = [(_as_severe(cause, children), children) for cause, children in families]
    families.sort(key=lambda family: -family[0].severity.rank)  # stable: within a severity by rank
    result: list[Finding] = []
    for cause, children in families:
        result.append(cause)
        result += [c.model_copy(update={"role": "consequence", "explained_by": cause.key}) for c in children]
    return tuple(result)


def _as_severe(cause: Finding, children: Sequence[Finding]) -> Finding:
    worst = max([cause.severity, *(child.severity for child in children)])
    return cause.model_copy(update={"severity": worst})


def _left_out(rules: Sequence[Rule]) -> list[type[Rule]]:
    codes = {rule.code for rule in rules}
    return [rule for rule in catalogue() if rule.code not in codes]


def versions() -> dict[str, str]:
    """Return the versions of Python and the packages."""
    found = {"python": platform.python_version()}
    for package in ("inithealth", "torch", "pytorch-lightning"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout, or Lightning under its other name
            continue
    return found
