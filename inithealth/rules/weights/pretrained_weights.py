from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import ClassVar

from inithealth.evidence.facts import with_limits
from inithealth.evidence.trained import TrainedLimits, trained_layers
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import ELEMENTWISE
from inithealth.recording import Recording, weighted
from inithealth.rules.base import Rule


class PretrainedWeights(TrainedLimits, Rule):
    """Most of the network has been trained already.

    ## What it checks
    The largest singular value of every matrix (its mean removed) over the one that random weights of its
    size and rms have, rms (sqrt(rows) + sqrt(columns)). Random matrices stay at or below 1; training adds
    directions that stand out. The network counts as pretrained when such matrices hold most of its
    weights; embeddings, and matrices of fewer than 8 rows or columns, are no evidence.

    ## Why it matters
    A training has set the scale of these layers, and rules on how to draw weights say nothing about them.
    What is new (a fresh head, an adapter) is judged as ever.

    ## How to fix
    Nothing to mend. If the weights were meant to be fresh, build the network anew.

    ## When to ignore
    Always, where a checkpoint was loaded on purpose.

    ## References
    Marchenko and Pastur 1967; Martin and Mahoney, https://arxiv.org/abs/1810.01075
    """

    code = "IH109"
    name = "pretrained-weights"
    severity = Severity.INFO
    rank: ClassVar[int] = 90

    def check(self, recording: Recording) -> Iterator[Finding]:
        names = trained_layers(with_limits(recording, [self]))
        layers = [layer for layer in recording.layers if layer.name in names]
        edges = [weight.spectral_edge for _, weight in weighted(layers) if weight.spectral_edge]
        if not edges:
            return
        fresh = [layer for layer in recording.layers if layer.name not in names and layer.kind not in ELEMENTWISE]
        rest = f"; judged as fresh: {span(fresh)}" if fresh else ""
        yield self.finding(
            layers,
            f"{span(layers)}: trained already, the largest singular value is {number(median(edges))} times that of "
            f"random weights in the median (limit {number(self.max_random_edge)}){rest}",
            measured=median(edges),
            limit=self.max_random_edge,
            cause="directions stand out of the weights that no random draw has: how to draw them is not judged",
            fix="nothing to mend where a checkpoint was loaded on purpose; else build the network anew",
        )
