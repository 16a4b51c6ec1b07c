from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.facts import with_limits
from inithealth.evidence.prognosis import prognosis
from inithealth.evidence.reopening import Opener, ReopenLimits, at_output, closing_biases, opened_by
from inithealth.evidence.units import FlatSide, flat_side, inactive_by_chance
from inithealth.evidence.wording import called, span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import limit
from inithealth.rules.bias import BIAS, BiasAware, bias_cause, caused_by_bias
from inithealth.rules.causality import Stage

Pair = tuple[Layer, Measurement]


class DeadUnits(ReopenLimits, BiasAware):
    """Units have zero slope in their activation for the whole batch.

    ## What it checks
    The share of units whose activation has zero slope on the same side for every sample and position: below
    zero for ReLU, also above six for ReLU6. With a symmetric initialization the expected share is at most
    one half; the limit is at least four standard deviations above it. The operation is then recomputed without
    its bias, and with a new weight: the bias is the cause if the units are open without it.

    ## Why it matters
    A unit that never activates receives no gradient and does not train. If all units of a layer are dead,
    no gradient reaches upstream layers, unless a skip connection bypasses the layer.

    ## How to fix
    Set the bias to zero and initialize the weights with mean zero. Check the inputs for an offset. A ReLU at the
    model's output is best removed, or replaced with softplus.

    ## When to ignore
    For very small batches, in which a unit may be inactive by chance.

    ## References
    Lu et al., Dying ReLU and Initialization, https://arxiv.org/abs/1903.06733
    """

    code = "IH204"
    name = "dead-units"
    severity = Severity.WARNING
    rank = Stage.UNITS
    explains = frozenset("IH201 IH203 IH206 IH207 IH208 IH301 IH304 IH305 IH402 IH406 IH408".split())
    error_share: float = limit(
        0.95,
        "share of dead units beyond which it is an error: hardly any signal passes the layer",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        recording = with_limits(recording, [self])
        groups: dict[tuple[Severity, Opener, bool, FlatSide], list[Pair]] = {}
        for layer, m in signal_path.measured(recording):
            # The zeros in a branch that starts at zero are expected: zero-weights checks whether it trains.
            zero = layer.bypassable and m.output is not None and m.output.abs_max == 0.0
            if m.dead_share is None or not m.units or zero or not self.are_dead(m.dead_share, m.units):
                continue
            dominated = self.bias_dominates(layer, m)
            if dominated or not inactive_by_chance(recording, layer, m):
                blocking = [layer] if m.dead_share > self.error_share else []
                severity = prognosis(recording).severity_of_blocking(blocking)
                key = severity, opened_by(layer, m, self, dominated=dominated), at_output(layer, m), flat_side(layer, m)
                groups.setdefault(key, []).append((layer, m))
        for (severity, opener, output, side), dead in groups.items():
            yield self._group(dead, severity, opener, side, recording, output=output)

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
        self,
        dead: list[Pair],
        severity: Severity,
        opener: Opener,
        side: FlatSide,
        recording: Recording,
        *,
        output: bool,
    ) -> Finding:
        layers, (_, m) = [layer for layer, _ in dead], dead[0]
        limit = self.of(m.units)
        cause, named = side.why, layers
        if opener == "bias":
            biased = closing_biases(dead, recording)
            cause, named = bias_cause(biased), [*layers, *(each for each in biased if each not in layers)]
        if output:
            cause += f"; a {layers[0].activation} at the model's output stops every gradient while it is closed"
        return self.finding(
            named,
            f"{_shares(dead, side, output=output)} in this batch (limit {limit:.0%})",
            severity=severity,
            measured=m.dead_share,
            limit=limit,
            variant=BIAS if opener == "bias" else "",
            cause=cause,
            fix=_fix(dead, opener, recording, output=output),
        )


def _shares(dead: list[Pair], side: FlatSide, *, output: bool) -> str:
    """Return which share of the units of which layers is dead."""
    layers, (_, m) = [layer for layer, _ in dead], dead[0]
    if len(layers) == m.units == 1:
        which = "its only unit, the model's output," if output else "its only unit"
        return f"{span(layers)}: {which} {side.of_one}"
    lowest = min(m.dead_share or 0.0 for _, m in dead)
    share = f"{lowest:.0%}" if lowest == max(m.dead_share or 0.0 for _, m in dead) else f"{lowest:.0%} or more"
    units = "the units" if len(layers) > 1 else f"its {m.units} units"
    return f"{span(layers)}: {share} of {units} {side.behavior}"


def _fix(dead: list[Pair], opener: Opener, recording: Recording, *, output: bool) -> str:
    """Return code that opens the units, or advice if neither a bias of zero nor a new weight does."""
    layers, (_, m) = [layer for layer, _ in dead], dead[0]
    name, activation = called(layers[0]), layers[0].activation
    better = f"remove the {activation} after {name}, or replace it with softplus"
    if opener == "none":
        if output:
            return f"{better}: with a new weight, {m.dead_redrawn or 0.0:.0%} of such units start closed again"
        if m.input is not None and m.input.abs_max == 0.0:
            return f"look upstream of {name}: its input is zero for every sample, so no weight opens it"
        return f"center the input of {name}: with new weights of mean zero, its units start closed too often"
    # Where the bias is not the cause, it can still close units that a new weight opens.
    closed = [pair for pair in dead if opener == "bias" or _is_closed_by_bias_too(pair[1])]
    weights = "" if opener == "bias" else fixes.each(layers)
    biases = fixes.zero_biases(closing_biases(closed, recording))
    return fixes.joined(f"# better: {better}" if output else "", weights, biases)


def _is_closed_by_bias_too(m: Measurement) -> bool:
    return m.dead_without_bias is not None and m.dead_without_bias < (m.dead_share or 0.0)
