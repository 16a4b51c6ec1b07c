"""The two slow stages: checks a mutant with ``verify=True``, and trains it with the fixes of its report."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import torch

import inithealth
from benchmarks.faults.catalogue import EVERY_FAULT, EVERY_HOST
from benchmarks.faults.hosts import Subject
from benchmarks.faults.labels import train
from benchmarks.judging.entries import Entry, every_entry
from inithealth import Finding, Report, Severity

FIX_SEED = 2000  # of the numbers that a fix draws; not the seed of the network, whose own numbers it would draw again


def errors(report: Report) -> list[Finding]:
    return [each for each in report.causes if each.severity is Severity.ERROR and each.suppressed is None]


def verified(key: str, folder: Path) -> dict[str, Any]:
    """Check a mutant and try its fixes, apply them, and check it again. The report is stored in the folder."""
    entry = every_entry()[key]
    case = entry.case()
    report = inithealth.check(case.model, case.batch, loss=case.loss, optimizer=entry.optimizer(case), verify=True)
    path = _report_at(entry, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write(report.to_json())
    torch.manual_seed(FIX_SEED)
    report.apply(case.model)
    after = inithealth.check(case.model, case.batch, loss=case.loss, optimizer=entry.optimizer(case))
    return {
        "errors": [_described(each) for each in errors(report)],
        "errors_after": [_described(each) for each in errors(after)],
        "changes": _changes(report),
    }


def retrained(key: str, folder: Path) -> dict[str, Any]:
    """Train a mutant with the fixes of its stored report: ``<key of the mutant>|<digest of the fixes>``."""
    entry = every_entry()[key.rpartition("|")[0]]
    host, fault = entry.name.split("/", 1)
    with gzip.open(_report_at(entry, folder), "rt") as file:
        report = Report.from_json(file.read())

    def fixed(subject: Subject) -> None:
        torch.manual_seed(FIX_SEED)
        report.apply(subject.model)

    return {"losses": train(EVERY_HOST[host], EVERY_FAULT[fault], entry.seed, fixed)}


def _described(cause: Finding) -> dict[str, Any]:
    return {
        "code": cause.code,
        "layers": list(cause.layers[:4]),
        "message": cause.message,
        "fix": cause.fix,
        "operations": len(cause.operations),
        "verified": cause.verified,
        "verification": cause.verification,
    }


def _changes(report: Report) -> str:
    """Return a digest of what applying the report does; "" if it does nothing."""
    causes = [each for each in report.causes if each.severity >= Severity.WARNING and each.verified == "clears"]
    text = "\n".join(str(operation) for cause in causes for operation in cause.operations)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _report_at(entry: Entry, folder: Path) -> Path:
    return folder / "reports" / f"{hashlib.sha256(entry.key.encode()).hexdigest()[:20]}.json.gz"
