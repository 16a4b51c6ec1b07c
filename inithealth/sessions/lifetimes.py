"""When each finding of a run was found, became worse and was resolved."""

from __future__ import annotations

from inithealth.findings import Finding, Lifetime, Report

_RUNNING = "IH4"  # code prefix of the rules that judge steps
_MOST_RESOLVED = 100  # resolved findings that are kept, the latest


class Lifetimes:
    """Follows the findings from report to report."""

    def __init__(self) -> None:
        self._open: dict[str, Lifetime] = {}
        self._resolved: list[Lifetime] = []

    def update(self, report: Report) -> None:
        """Compare the findings of a later report with the earlier ones."""
        found = {identity(finding): finding for finding in reversed(report.findings)}
        # With NaN in the numbers the others cannot be measured: none of them is resolved.
        resolvable = not any(finding.rule.startswith("non-finite") for finding in report.findings)
        for name in [name for name in self._open if name not in found and resolvable]:
            self._resolved.append(self._open.pop(name).model_copy(update={"closed": report.step}))
        del self._resolved[:-_MOST_RESOLVED]
        for name, finding in found.items():
            self._open[name] = _continued(self._open.get(name), finding, report.step)

    @property
    def all(self) -> tuple[Lifetime, ...]:
        """The findings that are present, followed by those that are resolved."""
        return (*self._open.values(), *self._resolved)


def identity(finding: Finding) -> str:
    """Return the key by which a finding is followed; without the layer for rules of the steps, where it varies."""
    return finding.code if finding.code.startswith(_RUNNING) else finding.key


def _continued(before: Lifetime | None, finding: Finding, step: int) -> Lifetime:
    if before is None:
        return Lifetime(finding=finding, opened=step)
    worse = (step,) if finding.severity > before.finding.severity else ()
    return before.model_copy(update={"finding": finding, "worsened": (*before.worsened, *worse)})
