"""What the fixes do to one harmful mutant, and the shares that are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.faults.labels import LOST, OPTIMIZERS, Losses, margin
from benchmarks.judging.entries import Entry

from .sample import fault_of, in_parameters


@dataclass(frozen=True)
class Outcome:
    """A harmful mutant with its fixes.

    Attributes:
        check: what :func:`benchmarks.fixes.trial.verified` returned.
        training: what :func:`benchmarks.fixes.trial.retrained` returned; None if the mutant was not trained.
        unfixed: losses of the mutant without fixes.
        healthy: losses of its host, by seed.
    """

    entry: Entry
    check: dict[str, Any]
    training: dict[str, Any] | None
    unfixed: Losses | None
    healthy: list[Losses]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self.check.get("errors", [])  # type: ignore[no-any-return]

    @property
    def broken(self) -> str | None:
        return self.check.get("broken") or (self.training or {}).get("broken")

    @property
    def executable(self) -> bool:
        """Return whether the fix of each error is a change of parameters."""
        return all(each["operations"] for each in self.errors)

    @property
    def cleared(self) -> bool:
        """Return whether the fix of each error clears it, and no error is left once the fixes are applied."""
        return self.verified and not self.check["errors_after"]

    @property
    def verified(self) -> bool:
        """Return whether each error is reported as cleared by its fix."""
        return all(each["verified"] == "clears" for each in self.errors)

    @property
    def tried(self) -> bool:
        """Return whether the training is known. A mutant without a verified fix is not trained: nothing changes."""
        return self.training is not None or (bool(self.check) and not self.check.get("changes"))

    @property
    def fixed(self) -> Losses | None:
        """Return the losses with the fixes, or those of the mutant if there is no fix to apply."""
        if self.check.get("changes"):
            return (self.training or {}).get("losses")
        return self.unfixed

    @property
    def trains(self) -> bool:
        """Return whether the loss is within a tenth of what the host learns, under SGD and Adam."""
        return self.fixed is not None and not any(self._above_host(self.fixed, name) > LOST for name in OPTIMIZERS)

    @property
    def worse(self) -> bool:
        """Return whether the loss exceeds that of the mutant by more than the labels' margin, under SGD or Adam."""
        fixed, unfixed = self.fixed, self.unfixed
        if fixed is None or unfixed is None:
            return self.training is not None
        return any(fixed[name] > unfixed[name] + margin(self.healthy, name) for name in OPTIMIZERS)

    def _above_host(self, losses: Losses, optimizer: str) -> float:
        """Return how far a loss exceeds that of the host, as a share of what the host learns."""
        host = sum(each[optimizer] for each in self.healthy) / len(self.healthy)
        return (losses[optimizer] - host) / (losses["guess"] - host)


@dataclass(frozen=True)
class Share:
    """A line of the table: a share of the mutants with an error."""

    title: str
    target: str
    met: Callable[[Outcome], bool]
    trained: bool = False  # of those whose training is known
    most: bool = False  # the share is a maximum
    of: str = ""  # kind of faults, "" for all

    def selects(self, outcome: Outcome) -> bool:
        known = bool(outcome.errors) and (outcome.tried or not self.trained)
        return known and (not self.of or in_parameters(fault_of(outcome.entry)))


_PARAMETERS = "parameters"
SHARES = tuple(
    replace(share, of=of)
    for of in ("", _PARAMETERS)
    for share in (
        Share("executable fix for each error", "≥ 95 %", lambda o: o.executable),
        Share("fixes clear all errors", "≥ 95 %", lambda o: o.cleared),
        Share("reported as cleared, but an error is left", "0", lambda o: o.verified and not o.cleared, most=True),
        Share("fixed: trains within 10 % of the host, SGD and Adam", "≥ 90 %", lambda o: o.trains, trained=True),
        Share("fixed: trains worse than the mutant", "0", lambda o: o.worse, trained=True, most=True),
    )
)
