"""Findings that are known: a file that is committed, and only shrinks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from inithealth import saved
from inithealth.findings import Finding, Report, Severity

_KNOWN = "known: in the baseline"


class Known(BaseModel):
    """One finding, without what changes from day to day: lines and numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    rule: str
    severity: Severity
    layers: tuple[str, ...]  # sorted

    @classmethod
    def of(cls, cause: Finding) -> Known:
        return cls(code=cause.code, rule=cause.rule, severity=cause.severity, layers=tuple(sorted(cause.layers)))

    def covers(self, cause: Finding) -> bool:
        """Whether that is this very finding, no worse and on no further layer."""
        same = (
            cause.code == self.code
            and set(cause.layers) <= set(self.layers)
            and bool(cause.layers) == bool(self.layers)
        )
        return same and cause.severity <= self.severity

    @property
    def told(self) -> str:
        return f"{self.code} on {self.layers[0]}" if self.layers else self.code


class Baseline(BaseModel):
    """What a model's report is compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str
    findings: tuple[Known, ...] = ()

    @classmethod
    def of(cls, report: Report) -> Baseline:
        """Its warnings and errors, and what else fails, but for what somebody has given a reason for."""
        least = Severity.INFO if report.fail_on == "info" else Severity.WARNING
        told = [cause for cause in report.causes if cause.severity >= least and cause.suppressed is None]
        known = sorted({Known.of(cause) for cause in told}, key=lambda each: (each.code, each.layers))
        return cls(model=report.model, findings=tuple(known))


def applied(report: Report, baseline: Baseline) -> Report:
    """The report with its known causes suppressed; notes tell what is new of them and what is fixed."""
    findings, notes = [], []
    for finding in report.findings:
        known = [each for each in baseline.findings if each.code == finding.code and finding.role == "cause"]
        if any(each.covers(finding) for each in known) and finding.suppressed is None:
            finding = finding.model_copy(update={"suppressed": _KNOWN})
        elif finding.role == "cause" and (old := _grown(finding, known)) is not None:
            notes.append(
                f"{old.told}: in the baseline as {old.severity.value} on {len(old.layers)} layers, "
                f"now {finding.severity.value} on {len(finding.layers)}"
            )
        findings.append(finding)
    fixed = [each.told for each in baseline.findings if each not in pruned(baseline, report).findings]
    notes += [f"fixed, may go from the baseline: {', '.join(fixed)}"] if fixed else []
    return report.model_copy(update={"findings": tuple(findings), "notes": (*report.notes, *notes)})


def _grown(finding: Finding, known: list[Known]) -> Known | None:
    """The known finding that this one shares layers with."""
    return next((each for each in known if set(each.layers) & set(finding.layers)), None)


def pruned(baseline: Baseline, report: Report) -> Baseline:
    """Without what is fixed; nothing comes in."""
    kept = [
        each
        for each in baseline.findings
        if any(cause.code == each.code and _touches(cause, each) for cause in report.causes)
    ]
    return baseline.model_copy(update={"findings": tuple(kept)})


def _touches(cause: Finding, known: Known) -> bool:
    return bool(set(cause.layers) & set(known.layers)) or not (cause.layers or known.layers)


def read(path: Path) -> Baseline:
    """Raises ValueError, one line that names the file."""
    return saved.read(path, Baseline, "baseline", "made by --write-baseline")


def text_of(baseline: Baseline) -> str:
    """Sorted JSON, the same bytes for the same findings."""
    return f"{baseline.model_dump_json(indent=2)}\n"
