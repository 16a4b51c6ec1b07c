from __future__ import annotations

from collections.abc import Iterator

from inithealth import levels, remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule, span


class SaturatedUnits(Rule):
    """A tanh or sigmoid works on its flat part.

    ## What it checks
    The share of a tanh's outputs beyond ±0.97, of a sigmoid's outside 0.03 to 0.97.

    ## Why it matters
    Where the activation is flat the gradient is a twentieth or less of what it should be. Such nets
    often train all the same, slowly: this is a diagnosis, not a verdict.

    ## How to fix
    Initialize with Xavier and the activation's gain; normalize large inputs.

    ## When to ignore
    For gates that are meant to start open or shut.

    ## References
    Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    code = "IH205"
    name = "saturated-units"
    severity = Severity.WARNING
    rank = 42
    explains = frozenset({"IH301"})
    max_share: float = 0.5  # healthy nets have next to none

    def check(self, recording: Recording) -> Iterator[Finding]:
        worst = [
            (m.saturated_share, layer)
            for layer, m in levels.measured(recording)
            if m.saturated_share is not None and m.saturated_share > self.max_share and not layer.head
        ]
        if not worst:
            return
        worst.sort(key=lambda pair: -pair[0])
        share, layers = worst[0][0], [layer for _, layer in worst]
        yield self.finding(
            layers,
            f"{span(layers)}: {share:.0%} of the {layers[0].activation} outputs are saturated",
            measured=share,
            limit=self.max_share,
            cause="what reaches the activation is too large",
            fix=remedy.each(layers),
        )
