from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth import levels, remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule

_BIAS = "bias"  # how a cause begins that lies in the layer itself


class DeadUnits(Rule):
    """ReLU units that no input of the batch opens.

    ## What it checks
    The share of units whose activation is zero for every sample and position. A symmetric
    initialization cannot exceed one half in expectation, so what lies four standard deviations above is
    no accident.

    ## Why it matters
    A unit that is never open has no gradient and never learns; when all are shut, so is the network.

    ## How to fix
    Set the bias to zero and draw the weights around zero; check the inputs for an offset.

    ## When to ignore
    For tiny batches, where a unit has not had its chance.

    ## References
    Lu et al., Dying ReLU and Initialization, https://arxiv.org/abs/1903.06733
    """

    code = "IH204"
    name = "dead-units"
    severity = Severity.WARNING
    rank = 20
    explains = frozenset("IH201 IH203 IH206 IH208 IH301 IH304 IH305".split())
    max_share: float = 0.75  # the worst of 97 healthy nets has .62, an SE layer of 8 channels
    error_share: float = 0.95  # next to nothing passes
    min_units: int = 16  # fewer units say little, unless all are dead
    max_bias_rms: float = 3.0  # a bias that large shifts every unit by itself
    bias_dominance: float = 5.0  # times what the weights contribute

    def check(self, recording: Recording) -> Iterator[Finding]:
        for layer, m in levels.measured(recording):
            if m.dead_share is None or m.units == 0:
                continue
            limit = max(self.max_share, 0.5 + 4 * math.sqrt(0.25 / m.units))
            if m.dead_share < 1.0 and (m.units < self.min_units or m.dead_share <= limit):
                continue
            lost = m.dead_share > self.error_share and not layer.bypassable
            bias = self._bias(layer, m)
            yield self.finding(
                [layer],
                f"{layer.name}: {m.dead_share:.0%} of its {m.units} units stay shut for the whole batch",
                severity=Severity.ERROR if lost else Severity.WARNING,
                measured=m.dead_share,
                limit=limit,
                cause=bias or "no input of the batch makes them positive",
                fix=remedy.zero_bias(layer) if bias else remedy.initialize(layer),
            )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """A dead layer feeds nothing to the layers behind it, unless their own bias is at fault."""
        if symptom.code == self.code:
            return (cause.measured or 0.0) > self.error_share and not symptom.cause.startswith(_BIAS)
        return super().accounts_for(cause, symptom)

    def _bias(self, layer: Layer, m: Measurement) -> str:
        if layer.bias is None or layer.weight is None or layer.bias.rms <= self.max_bias_rms:
            return ""
        level = m.input.rms if levels.usable(m.input) and m.input is not None else 1.0
        if layer.bias.rms <= self.bias_dominance * (layer.weight.gain or 1.0) * level:
            return ""
        return f"{_BIAS} of mean {layer.bias.mean:.3g} outweighs what the weights contribute"
