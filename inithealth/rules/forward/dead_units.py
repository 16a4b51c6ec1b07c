from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.facts import with_limits
from inithealth.evidence.units import DeadLimits, FlatSide, flat_side, inactive_by_chance
from inithealth.evidence.wording import span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import limit
from inithealth.rules.bias import BiasAware, bias_cause, caused_by_bias


class DeadUnits(DeadLimits, BiasAware):
    """Units have zero slope in their activation for the whole batch.

    ## What it checks
    The share of units whose activation has zero slope on the same side for every sample and position: below
    zero for ReLU, also above six for ReLU6. With a symmetric initialization the expected share is at most
    one half; the limit is at least four standard deviations above it.

    ## Why it matters
    A unit that never activates receives no gradient and does not train. If all units of a layer are dead,
    no gradient reaches upstream layers, unless a skip connection bypasses the layer.

    ## How to fix
    Set the bias to zero and initialize the weights with mean zero. Check the inputs for an offset.

    ## When to ignore
    For very small batches, in which a unit may be inactive by chance.

    ## References
    Lu et al., Dying ReLU and Initialization, https://arxiv.org/abs/1903.06733
    """

    code = "IH204"
    name = "dead-units"
    severity = Severity.WARNING
    rank = 42
    explains = frozenset("IH201 IH203 IH206 IH207 IH208 IH301 IH304 IH305 IH406".split())
    error_share: float = limit(
        0.95,
        "share of dead units beyond which it is an error: hardly any signal passes the layer",
        unit="share of the layer's units",
    )
    min_units: int = limit(
        16,
        "fewest units of a layer that is checked, unless all of them are dead: the share of fewer units is noisy",
        unit="units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        recording = with_limits(recording, [self])
        groups: dict[tuple[bool, bool, FlatSide], list[tuple[Layer, Measurement]]] = {}
        for layer, m in signal_path.measured(recording):
            # The zeros in a branch that starts at zero are expected: zero-weights checks whether it trains.
            zero = layer.bypassable and m.output is not None and m.output.abs_max == 0.0
            if m.dead_share is None or not m.units or zero or not self._dead(m.dead_share, m.units):
                continue
            lost, by_bias = m.dead_share > self.error_share and not layer.bypassable, self.bias_dominates(layer, m)
            if by_bias or not inactive_by_chance(recording, layer, m):
                groups.setdefault((lost, by_bias, flat_side(layer, m)), []).append((layer, m))
        for (lost, by_bias, side), dead in groups.items():
            yield self._group(dead, Severity.ERROR if lost else Severity.WARNING, by_bias, side)

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether another finding follows: dead units downstream do, unless their own bias is the cause."""
        if symptom.code == self.code:
            return (cause.measured or 0.0) > self.error_share and not caused_by_bias(symptom)
        if symptom.code in ("IH303", "IH405"):  # their zero output is divided by, or enters a root or a logarithm
            return bool(set(symptom.layers) & set(cause.layers))
        if symptom.code == "IH103":  # zero weights downstream of a dead layer receive no gradient
            return caused_by_bias(cause)
        return super().accounts_for(cause, symptom)

    def _group(
        self, dead: list[tuple[Layer, Measurement]], severity: Severity, by_bias: bool, side: FlatSide
    ) -> Finding:
        layers, (_, m) = [layer for layer, _ in dead], dead[0]
        lowest = min(m.dead_share or 0.0 for _, m in dead)
        share = f"{lowest:.0%}" if lowest == max(m.dead_share or 0.0 for _, m in dead) else f"{lowest:.0%} or more"
        limit = self.of(m.units)
        units = "the units" if len(layers) > 1 or m.units == 1 else f"its {m.units} units"
        cause, fix = side.why, fixes.each(layers)
        if by_bias:
            cause, fix = bias_cause(layers), fixes.zero_biases(layers)
        return self.finding(
            layers,
            f"{span(layers)}: {share} of {units} {side.behavior} in this batch (limit {limit:.0%})",
            severity=severity,
            measured=m.dead_share,
            limit=limit,
            cause=cause,
            fix=fix,
        )

    def _dead(self, share: float, units: int) -> bool:
        return share == 1.0 or (units >= self.min_units and share > self.of(units))
