"""The verdicts as a table, with the misses and the false alarms by name."""

from __future__ import annotations

from collections.abc import Sequence

from .judge import Verdict, by_fault
from .labels import HEALTHY

_HARMFUL, _BENIGN = "harmful", "benign"


def table(verdicts: Sequence[Verdict]) -> str:
    healthy = [v for v in verdicts if v.fault == HEALTHY]
    mutants = [v for v in verdicts if v.fault != HEALTHY]
    columns = "harmful found one first right coded slower found benign errors"
    lines = [f"{'fault':18} " + " ".join(f"{word:>7}" for word in columns.split())]
    lines += [_row(name, found) for name, found in by_fault(mutants)]
    lines += [_row("in all", mutants), ""]
    flagged = [v for v in healthy if v.found]
    lines.append(f"healthy hosts flagged: {len(flagged)} of {len(healthy)}")
    harmful = [v for v in mutants if v.label == _HARMFUL]
    right = sum(v.right for v in harmful)
    lines.append(
        f"of those that harm, one cause with the culprit first: {right} of {len(harmful)}{_share(right, harmful)}"
    )
    lines += _named("healthy, and flagged", flagged)
    lines += _named("harmful, and missed", [v for v in harmful if not v.found])
    lines += _named("harmful, and misnamed", [v for v in harmful if v.found and not v.right])
    lines += _named("harmful, named rightly by another code", [v for v in harmful if v.right and not v.coded])
    wrong = [v for v in mutants if v.label == _BENIGN and v.error]
    lines += _named("benign, and an error", [v for v in wrong if not v.lasting])
    lines += _named("benign for this task, an error for what is lost for good", [v for v in wrong if v.lasting])
    return "\n".join(lines)


def _row(name: str, verdicts: Sequence[Verdict]) -> str:
    harmful = [v for v in verdicts if v.label == _HARMFUL]
    benign = [v for v in verdicts if v.label == _BENIGN]
    slower = [v for v in verdicts if v.label not in (_HARMFUL, _BENIGN)]
    counts = [
        len(harmful),
        sum(v.found for v in harmful),
        sum(v.one for v in harmful),
        sum(v.first for v in harmful),
        sum(v.right for v in harmful),
        sum(v.coded for v in harmful),
        len(slower),
        sum(v.found for v in slower),
        len(benign),
        sum(v.error for v in benign),
    ]
    return f"{name:18} " + " ".join(f"{count:7}" for count in counts)


def _share(part: int, whole: Sequence[Verdict]) -> str:
    return f" ({part / len(whole):.1%})" if whole else ""


def _named(title: str, verdicts: Sequence[Verdict]) -> list[str]:
    lines = ["", f"{title}: {len(verdicts)}"]
    for v in verdicts:
        lines.append(f"  {v.host}, {v.fault}, seed {v.seed}")
        lines += [f"      {severity} {code} {message}" for severity, code, _, message in v.causes]
    return lines
