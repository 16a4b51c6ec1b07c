"""The verdict of a tool about one network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from inithealth import Report, Severity

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class ReportedCause:
    """A reported cause. The root-cause layer is first in ``layers``, if the tool names layers."""

    severity: str
    code: str
    layers: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Verdict:
    """The causes at warning or above, most severe first. ``broken`` is the reason if there is no verdict."""

    causes: tuple[ReportedCause, ...] = ()
    broken: str | None = None

    @property
    def flagged(self) -> bool:
        return bool(self.causes)

    @property
    def error(self) -> bool:
        return any(cause.severity == ERROR for cause in self.causes)

    def without(self, codes: frozenset[str]) -> Verdict:
        """Return the same verdict without the causes of these codes."""
        return replace(self, causes=tuple(cause for cause in self.causes if cause.code not in codes))

    def entry(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of(entry: dict[str, Any]) -> Verdict:
        causes = tuple(ReportedCause(**{**cause, "layers": tuple(cause["layers"])}) for cause in entry["causes"])
        return Verdict(causes, entry["broken"])

    @staticmethod
    def reported(report: Report) -> Verdict:
        causes = [cause for cause in report.causes if cause.severity >= Severity.WARNING]
        return Verdict(tuple(ReportedCause(str(c.severity.value), c.code, c.layers, c.message) for c in causes))
