from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes
from inithealth.evidence.trial import Trial
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit, span
from inithealth.rules.causality import Stage


class SymmetryNotBreaking(Rule):
    """Units that started identical are still identical after the first optimizer steps.

    ## What it checks
    The share of a layer's units that are copies of another unit after the first four optimizer steps.

    ## Why it matters
    Units with equal gradients stay identical: the layer acts as a single unit, however wide it is.

    ## How to fix
    Use a random initialization; any standard one works.

    ## When to ignore
    For filters that are intentionally equal: freeze them.

    ## References
    Goodfellow et al., Deep Learning, section 8.4.
    """

    code = "IH401"
    name = "symmetry-not-breaking"
    severity = Severity.ERROR
    rank = Stage.SYMMETRY
    max_alike: float = limit(
        0.5,
        "share of units that are still identical: beyond half, the layer does not recover in training",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = Trial(recording.probation)
        if not trial.settled or len(recording.steps) < 2:  # `check` records a single step
            return
        stuck = [layer for layer in recording.layers if _identical_share(layer, trial) >= self.max_alike]
        if stuck:
            share = max(_identical_share(layer, trial) for layer in stuck)
            yield self.finding(
                stuck,
                f"{span(stuck)}: {share:.0%} of the units are still identical after {trial.steps} steps "
                f"(limit {self.max_alike:.0%})",
                measured=share,
                limit=self.max_alike,
                step=recording.steps[-1].index,
                cause="units with equal weights and equal outgoing weights receive equal gradients",
                fix=fixes.each(stuck),
            )


def _identical_share(layer: Layer, trial: Trial) -> float:
    # The targets give the units of a head different gradients, and a frozen weight is not supposed to change.
    judged = not layer.head and layer.weight is not None and layer.weight.trainable
    return trial.identical_share(layer) if judged else 0.0
