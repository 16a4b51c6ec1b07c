from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence.fixes import LOWER_RATE
from inithealth.evidence.prognosis import prognosis
from inithealth.evidence.units import flat_side
from inithealth.findings import Finding, Severity
from inithealth.recording import Measurement, Recording
from inithealth.rules.base import Rule, limit, span
from inithealth.rules.causality import Stage


class DyingUnits(Rule):
    """Units have died during training: their activation now has zero slope for the whole batch.

    ## What it checks
    The share of dead units at the last recorded step that counts them, compared with the first step.

    ## Why it matters
    A unit that never activates receives no gradient and does not recover. If the learning rate is too high,
    whole layers can die in a few steps, after which the loss stops falling.

    ## How to fix
    Lower the learning rate or use a warm-up. LeakyReLU and GELU keep a gradient for negative inputs.

    ## When to ignore
    For networks that intentionally become sparse.

    ## References
    Lu et al., Dying ReLU and Initialization, https://arxiv.org/abs/1903.06733
    """

    code = "IH404"
    name = "dying-units"
    severity = Severity.WARNING
    rank = Stage.DYING_UNITS
    explains = frozenset({"IH304", "IH406"})
    max_share: float = limit(
        0.9,
        "largest share of dead units",
        unit="share of the layer's units",
    )
    min_lost: float = limit(
        0.3,
        "smallest increase of that share since the first step for training to be the cause",
        unit="share of the layer's units",
    )
    error_share: float = limit(
        0.99,
        "share of dead units beyond which it is an error in a layer that no skip connection bypasses: it blocks the "
        "signal",
        unit="share of the layer's units",
    )
    min_units: int = limit(
        16,
        "fewest units of a layer that is checked: the share of fewer units is noisy",
        unit="units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        counted = [step for step in recording.steps if any(m.dead_share is not None for m in step.layers)]
        if len(counted) < 2:
            return
        first, last = ({m.layer: m for m in step.layers} for step in (counted[0], counted[-1]))
        dead = [layer for layer in recording.layers if self._died(first.get(layer.name), last.get(layer.name))]
        if not dead:
            return
        blocking = [layer for layer in dead if _share(last[layer.name]) >= self.error_share]
        share = max(_share(last[layer.name]) for layer in dead)
        behavior, why = flat_side(dead[0], last[dead[0].name])
        yield self.finding(
            dead,
            f"{span(dead)}: up to {share:.0%} of the units {behavior} in this batch, up from "
            f"{_share(first[dead[0].name]):.0%} at the first step (limit {self.max_share:.0%})",
            severity=prognosis(recording).severity_of_blocking(blocking),
            measured=share,
            limit=self.max_share,
            step=counted[-1].index,
            cause=f"optimizer steps were too large: {why}",
            fix=LOWER_RATE,
        )

    def _died(self, first: Measurement | None, last: Measurement | None) -> bool:
        if first is None or last is None or first.dead_share is None or last.dead_share is None:
            return False
        many = last.units >= self.min_units
        return many and last.dead_share > self.max_share and last.dead_share - first.dead_share > self.min_lost


def _share(m: Measurement) -> float:
    return m.dead_share or 0.0
