"""Applies the rules to a recording and returns a report: causes first, each followed by its consequences."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from inithealth.evidence import few_samples
from inithealth.evidence.facts import with_limits
from inithealth.findings import Finding, Report, Skipped
from inithealth.judge.consequences import folded
from inithealth.judge.overrides import judged, suppressed
from inithealth.recorded_run import Flow
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
        flow=_flow(recording),
        skipped=tuple(sorted(skipped, key=lambda item: item.code)),
        not_measured=(*recording.not_measured, *few_samples.unmeasured(recording)),
        incomplete=recording.incomplete,
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


def _left_out(rules: Sequence[Rule]) -> list[type[Rule]]:
    codes = {rule.code for rule in rules}
    return [rule for rule in catalogue() if rule.code not in codes]


def _flow(recording: Recording) -> Flow:
    return Flow(
        normalized=recording.normalized,
        trunk_normalized=recording.trunk_normalized,
        branches=recording.branches,
        inputs=recording.inputs,
        optimizer=recording.optimizer,
        exact=recording.exact,
        step=recording.steps[0].index if recording.steps else 0,
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and the packages."""
    found = {"python": platform.python_version()}
    for package in ("inithealth", "torch", "pytorch-lightning"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout, or Lightning under its other name
            continue
    return found
