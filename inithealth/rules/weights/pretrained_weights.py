from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from inithealth.evidence.facts import with_limits
from inithealth.evidence.trained import TrainedLimits, trained_layers
from inithealth.evidence.wording import span, times
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import ELEMENTWISE
from inithealth.recording import Recording, weighted
from inithealth.rules.base import Rule
from inithealth.rules.causality import Stage


class PretrainedWeights(TrainedLimits, Rule):
    """Most of the network's weights are already trained.

    ## What it checks
    The largest singular value of each matrix (with its mean removed), relative to that of random weights
    of the same size and rms: rms (sqrt(rows) + sqrt(columns)). The ratio of random matrices is at most 1;
    training increases it. The network counts as pretrained if most of its weights are in matrices above
    the limit. Embeddings, and matrices with fewer than 8 rows or columns, are not considered.

    ## Why it matters
    The rules on initialization do not apply to trained layers, so they are not checked there. New layers
    (a new head, an adapter) are checked as usual.

    ## How to fix
    No fix is needed if you loaded a checkpoint. Otherwise, build the network again without loading weights.

    ## When to ignore
    If a checkpoint was loaded intentionally.

    ## References
    Marchenko and Pastur 1967; Martin and Mahoney, https://arxiv.org/abs/1810.01075
    """

    code = "IH109"
    name = "pretrained-weights"
    severity = Severity.INFO
    rank = Stage.TRAINED

    def check(self, recording: Recording) -> Iterator[Finding]:
        names = trained_layers(with_limits(recording, [self]))
        layers = [layer for layer in recording.layers if layer.name in names]
        edges = [weight.spectral_edge for _, weight in weighted(layers) if weight.spectral_edge]
        if not edges:
            return
        fresh = [layer for layer in recording.layers if layer.name not in names and layer.kind not in ELEMENTWISE]
        rest = f"; newly initialized: {span(fresh)}" if fresh else ""
        yield self.finding(
            layers,
            f"{span(layers)}: already trained; the median largest singular value is {times(median(edges))} that of "
            f"random weights (limit {times(self.max_random_edge)}){rest}",
            measured=median(edges),
            limit=self.max_random_edge,
            cause="singular values this large come from training: the initialization of these layers is not checked",
            fix="no fix needed if you loaded a checkpoint; otherwise, build the network again without loading weights",
        )
