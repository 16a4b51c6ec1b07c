from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth import remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, span


class ZeroWeights(Rule):
    """Weights are exactly zero and stay there.

    ## What it checks
    Weights that are all zero, and layers most of whose units are. Zero is a legitimate start (heads,
    LoRA's B, zero gamma, ReZero) when the weight gets a gradient within the first steps; so a zero is
    judged on probation, by the gradients at steps 0 to 4.

    ## Why it matters
    A layer that puts out zero and gets no gradient never changes, and hides everything before it.

    ## How to fix
    Initialize the weight as its activation wants; leave at most one factor of a product at zero.

    ## When to ignore
    For masks and pruned weights that are meant to stay zero: freeze them.

    ## References
    He et al. 2015, https://arxiv.org/abs/1502.01852; Zhao et al., ZerO, https://arxiv.org/abs/2110.12661
    """

    code = "IH103"
    name = "zero-weights"
    severity = Severity.ERROR
    rank: ClassVar[int] = 4
    explains: ClassVar[frozenset[str]] = frozenset("IH201 IH204 IH206 IH301 IH304 IH305 IH105 IH208".split())
    max_zero_units: float = 0.5  # share of units: beyond half of them the layer is lost, whatever training does

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = recording.probation
        suspects = [layer for layer in recording.layers if self._suspect(layer)]
        if trial is None or not suspects:
            return
        if not trial.settled:
            yield self.finding(
                suspects,
                f"{span(suspects)}: exactly zero; legitimate if a gradient wakes it within the first steps",
                severity=Severity.INFO,
            )
            return
        stuck = [layer for layer in suspects if self._share(layer, recording) > self.max_zero_units]
        if not stuck:
            return
        # Where everything is asleep because everything is zero, one live layer more would not wake it.
        yield self.finding(
            stuck,
            f"{span(stuck)}: weights are exactly zero and no gradient reached them in {trial.steps} steps",
            severity=Severity.ERROR if any(not layer.bypassable for layer in stuck) else Severity.WARNING,
            measured=self._share(stuck[0], recording),
            limit=self.max_zero_units,
            cause="zero output and zero gradient: the layer can never change",
            fix=remedy.each(stuck),
        )

    def _suspect(self, layer: Layer) -> bool:
        weight = layer.weight
        if weight is None or not weight.trainable or layer.kind == "other" or layer.exempt_zero_gradient:
            return False
        return layer.reaches_loss and (weight.abs_max == 0.0 or weight.zero_rows > self.max_zero_units)

    def _share(self, layer: Layer, recording: Recording) -> float:
        """Share of the layer that is still zero without ever having had a gradient."""
        if layer.weight is None or recording.probation is None:
            return 0.0
        if layer.weight.name in recording.probation.asleep:
            return 1.0
        return recording.probation.zero_units.get(layer.weight.name, 0.0)
