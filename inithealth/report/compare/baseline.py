"""Known findings, in a committed file from which fixed ones are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, Severity
from inithealth.json_text import json_of
from inithealth.report.compare import loading
from inithealth.report.identity import Spot, spots

_KNOWN = "known: in the baseline"


class Known(BaseModel):
    """One finding, without values that change between runs, such as line numbers and measurements."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    rule: str
    severity: Severity
    layers: tuple[str, ...]  # sorted

    @classmethod
    def of(cls, cause: Finding) -> Known:
        return cls(code=cause.code, rule=cause.rule, severity=cause.severity, layers=tuple(sorted(cause.layers)))

    def covers(self, cause: Finding) -> bool:
        """Return whether the cause is this finding, with no higher severity and no additional layer."""
        return cause.severity <= self.severity and set(spots(cause)) <= set(spots(self))

    @property
    def name(self) -> str:
        return f"{self.code} on {self.layers[0]}" if self.layers else self.code


class Baseline(BaseModel):
    """The known findings that a model's report is compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str
    findings: tuple[Known, ...] = ()

    @classmethod
    def of(cls, report: Report) -> Baseline:
        """Return the report's warnings, errors and other failures, except suppressed ones."""
        least = Severity.INFO if report.fail_on == "info" else Severity.WARNING
        open_causes = [cause for cause in report.causes if cause.severity >= least and cause.suppressed is None]
        known = sorted(
            {Known.of(cause) for cause in open_causes},
            key=lambda each: (each.code, each.layers, each.severity.rank, each.rule),
        )
        return cls(model=report.model, findings=tuple(known))


def applied(report: Report, baseline: Baseline) -> Report:
    """Return the report with its known causes suppressed, and notes on worse and fixed ones."""
    at: dict[Spot, list[Known]] = {}
    for each in baseline.findings:
        for spot in spots(each):
            at.setdefault(spot, []).append(each)
    findings, notes = [], []
    for finding in report.findings:
        if finding.role == "cause" and finding.suppressed is None:
            near = [each for spot in spots(finding) for each in at.get(spot, ())]
            if any(each.covers(finding) for each in near):
                finding = finding.model_copy(update={"suppressed": _KNOWN})
            elif near:
                notes.append(f"{near[0].name}: in the baseline as {_extent(near[0])}, now {_extent(finding)}")
        findings.append(finding)
    kept = set(pruned(baseline, report).findings)
    fixed = [each.name for each in baseline.findings if each not in kept]
    notes += [f"fixed, can be removed from the baseline: {', '.join(fixed)}"] if fixed else []
    return report.model_copy(update={"findings": tuple(findings), "notes": (*report.notes, *notes)})


def _extent(finding: Finding | Known) -> str:
    on = f" on {count(len(finding.layers), 'layer')}" if finding.layers else ""
    return f"{finding.severity.value}{on}"


def pruned(baseline: Baseline, report: Report) -> Baseline:
    """Return the baseline without fixed findings; nothing is added."""
    found = {spot for cause in report.causes for spot in spots(cause)}
    kept = tuple(each for each in baseline.findings if not found.isdisjoint(spots(each)))
    return baseline.model_copy(update={"findings": kept})


def read(path: Path) -> Baseline:
    """Read a baseline. Raises ValueError with a one-line message that names the file."""
    return loading.read(path, Baseline, "baseline", "made by --write-baseline")


def text_of(baseline: Baseline) -> str:
    """Return sorted JSON: equal findings give equal bytes."""
    return f"{json_of(baseline)}\n"
