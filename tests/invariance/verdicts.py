"""The content of a report without its numbers, which must not depend on how a network is written or initialized."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from torch import nn

import inithealth
from inithealth import Report, Severity
from tests.invariance.rebuilt import rebuilt
from tests.zoo.case import Case


class NamedCause(NamedTuple):
    """One cause: its severity, its root-cause layer and all its layers; an input fault has no layer."""

    code: str
    severity: Severity
    root_cause_layer: str
    layers: frozenset[str]


Verdict = frozenset[NamedCause]
HEALTHY: Verdict = frozenset()


def judged(case: Case, model: nn.Module | None = None) -> Report:
    """Return the report on the case, or on another model with the same data."""
    return inithealth.check(case.model if model is None else model, case.batch, loss=case.loss)


def verdict(report: Report, original: Callable[[str], str] = str) -> Verdict:
    """Return the causes above info, with layer names mapped by ``original``."""
    causes = [cause for cause in report.causes if cause.severity > Severity.INFO]
    return frozenset(
        NamedCause(
            cause.code,
            cause.severity,
            original(cause.layers[0]) if cause.layers else "",
            frozenset(map(original, cause.layers)),
        )
        for cause in causes
    )


@cache
def own_verdict(name: str) -> Verdict:
    """Return the verdict on the zoo's unchanged network of that name."""
    return verdict(judged(rebuilt(name)))


def shown(verdict: Iterable[NamedCause]) -> str:
    """Return a verdict as one line; equal verdicts give equal lines."""
    lines = (f"{b.code} {b.severity.value} {b.root_cause_layer} of {', '.join(sorted(b.layers))}" for b in verdict)
    return "; ".join(sorted(lines)) or "healthy"
