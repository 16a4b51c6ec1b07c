"""What a check says of a case, and whether its fixes run, clear the finding and let the model train."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

import inithealth
from inithealth import Call, Finding, Report, Severity

from .case import Case
from .training import SEEDS, SLOWED, optimizer_of, progress


@dataclass(frozen=True)
class Judged:
    """The verdicts on one twin, one a seed, and what became of the fixes of the first seed."""

    causes: tuple[tuple[str, ...], ...]  # "error IH103 enc.0.norm1, ..." for each cause of each seed
    flagged: bool  # by a warning or an error at every seed
    ever_flagged: bool  # at any seed
    right_rule: bool
    cause_first: bool
    fixes: int = 0  # fixes of warnings and errors at the first seed
    prose: int = 0  # of these, text that is not code
    raised: int = 0
    cleared: bool = False  # no warning or error is left once the fixes have run
    trains: bool | None = None  # at least 85 % of the twin's progress with the fixes applied


def judge(case: Case, broken: bool, twin: list[dict[str, float]] | None = None) -> Judged:
    """Checks one of the twins at every seed; with the losses of the healthy `twin`, tries the fixes too."""
    reports = [_checked(case, broken, seed)[1] for seed in SEEDS]
    flagged = [_alarms(report) for report in reports]
    first = [each[0] for each in flagged if each]
    outcome = _fixed(case, twin) if broken and twin and flagged[0] else {}
    return Judged(
        causes=tuple(tuple(_short(finding) for finding in report.causes) for report in reports),
        flagged=all(flagged),
        ever_flagged=any(flagged),
        right_rule=all(flagged) and all(finding.code in case.rules for finding in first),
        cause_first=all(flagged) and all(any(map(case.names_cause, finding.layers[:1])) for finding in first),
        **outcome,
    )


def _checked(case: Case, broken: bool, seed: int) -> tuple[nn.Module, Report]:
    torch.manual_seed(seed)
    model = case.build(broken)
    return model, _report(case, model)


def _report(case: Case, model: nn.Module) -> Report:
    inputs, criterion = case.batch(0)
    return inithealth.check(model, Call(*inputs), loss=criterion, optimizer=optimizer_of(model, case, case.rates[0]))


def _alarms(report: Report) -> list[Finding]:
    return [finding for finding in report.causes if finding.severity is not Severity.INFO]


def _short(finding: Finding) -> str:
    more = "..." if len(finding.layers) > 3 else ""
    return f"{finding.severity.value} {finding.code} {', '.join(finding.layers[:3])}{more}"


def _fixed(case: Case, twin: list[dict[str, float]]) -> dict[str, int | bool]:
    """Runs the fixes as a user would type them."""
    model, report = _checked(case, True, SEEDS[0])
    fixes = [finding.fix for finding in _alarms(report) if finding.fix]
    prose, raised = _run(fixes, model)
    if prose + raised == len(fixes):
        return {"fixes": len(fixes), "prose": prose, "raised": raised}
    cleared = not _alarms(_report(case, model))
    ends = [progress(copy.deepcopy(model), case, rate) for rate in case.rates]
    good = twin[0]
    trains = (good["first"] - min(ends)) >= SLOWED * (good["first"] - good["last"])
    return {"fixes": len(fixes), "prose": prose, "raised": raised, "cleared": cleared, "trains": trains}


def _run(fixes: Sequence[str], model: nn.Module) -> tuple[int, int]:
    """Runs each fix in turn; returns how many are not code, and how many raised."""
    names = {"model": model, "nn": nn, "torch": torch, "math": math, "F": nn.functional}
    prose = raised = 0
    for fix in fixes:
        try:
            code = compile(fix, "<fix>", "exec")
        except SyntaxError:
            prose += 1
            continue
        try:
            exec(code, names)
        except Exception:
            raised += 1
    return prose, raised
