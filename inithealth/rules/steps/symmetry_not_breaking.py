from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Probation, Recording
from inithealth.rules.base import Rule, limit, span


class SymmetryNotBreaking(Rule):
    """Units that started alike are still alike after the first optimizer steps.

    ## What it checks
    The share of a layer's units that repeat another one after four steps that moved something: the end
    of the probation of what was suspect at step 0.

    ## Why it matters
    Units that get equal gradients stay one unit for ever, however wide the layer.

    ## How to fix
    Draw the weights at random: any standard initialization does.

    ## When to ignore
    For filters that are meant to be equal: freeze them.

    ## References
    Goodfellow et al., Deep Learning, section 8.4.
    """

    code = "IH401"
    name = "symmetry-not-breaking"
    severity = Severity.ERROR
    rank = 47
    max_alike: float = limit(
        0.5,
        "share of units that are still identical: beyond half of them the layer is lost, whatever training does",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        if trial is None or not trial.settled or len(recording.steps) < 2:  # one step alone is no run
            return
        stuck = [layer for layer in recording.layers if _alike(layer, trial) >= self.max_alike]
        if stuck:
            share = max(_alike(layer, trial) for layer in stuck)
            yield self.finding(
                stuck,
                f"{span(stuck)}: {share:.0%} of the units are still alike after {trial.steps} steps "
                f"(limit {self.max_alike:.0%})",
                measured=share,
                limit=self.max_alike,
                step=recording.steps[-1].index,
                cause="units that start equal and are treated alike get equal gradients",
                fix=fixes.each(stuck),
            )


def _alike(layer: Layer, trial: Probation) -> float:
    # A head's units are told apart by their targets.
    return 0.0 if layer.head else trial.duplicates.get(layer.parameter, 0.0)
