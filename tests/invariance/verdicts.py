"""What a report says, without its numbers: what must be the same however a network is written, drawn or fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from torch import nn

import inithealth
from inithealth import Report, Severity
from tests.invariance.rebuilt import rebuilt
from tests.zoo.case import Case


class Blame(NamedTuple):
    """One cause: how bad it is, the layer it names first and all of them; an input's fault names none."""

    code: str
    severity: Severity
    culprit: str
    layers: frozenset[str]


Verdict = frozenset[Blame]
HEALTHY: Verdict = frozenset()


def judged(case: Case, model: nn.Module | None = None) -> Report:
    """The report on the case, or on another model in the place of its own."""
    return inithealth.check(case.model if model is None else model, case.batch, loss=case.loss)


def verdict(report: Report, original: Callable[[str], str] = str) -> Verdict:
    """The causes that are more than a note, their layers called what ``original`` makes of their names."""
    causes = [cause for cause in report.causes if cause.severity > Severity.INFO]
    return frozenset(
        Blame(
            cause.code,
            cause.severity,
            original(cause.layers[0]) if cause.layers else "",
            frozenset(map(original, cause.layers)),
        )
        for cause in causes
    )


@cache
def own_verdict(name: str) -> Verdict:
    """On the zoo's network of that name, as it is."""
    return verdict(judged(rebuilt(name)))


def shown(verdict: Iterable[Blame]) -> str:
    """A verdict in one line, and in the same words for the same verdict."""
    lines = (f"{b.code} {b.severity.value} {b.culprit} of {', '.join(sorted(b.layers))}" for b in verdict)
    return "; ".join(sorted(lines)) or "healthy"
