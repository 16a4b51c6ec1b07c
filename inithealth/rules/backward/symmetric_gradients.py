from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.wording import span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class SymmetricGradients(Rule):
    """Units of a layer receive bit-identical gradients.

    ## What it checks
    The share of a layer's units whose weight gradient is non-zero and identical to another unit's.

    ## Why it matters
    Units with identical gradients receive identical updates: they stay identical, or keep their initial
    differences. The layer then learns fewer features than it has units.

    ## How to fix
    Initialize the weights of this layer and of the next one at random.

    ## When to ignore
    If the units diverge later; symmetry-not-breaking checks this after four optimizer steps.

    ## References
    Goodfellow et al., Deep Learning, section 8.4.
    """

    code = "IH305"
    name = "symmetric-gradients"
    severity = Severity.WARNING
    rank = Stage.SYMMETRY
    explains = frozenset({"IH401"})
    max_share: float = limit(
        0.5,
        "largest share of units with the same gradient as another unit: beyond half, most units have duplicates",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = [
            (m.gradient_duplicates, layer)
            for layer, m in signal_path.measured(recording)
            if m.gradient_duplicates >= self.max_share - 1.0 / max(1, self._units(layer.weight))
            and m.gradient_duplicates > 0
            and layer.inner
            and layer.kind != "embedding"
        ]
        if not found:
            return
        layers = [layer for _, layer in found]
        share = max(share for share, _ in found)
        most = f"up to {share:.0%}" if len(found) > 1 else f"{share:.0%}"
        yield self.finding(
            layers,
            f"{span(layers)}: {most} of the units receive the same gradient as another unit "
            f"(limit {self.max_share:.0%})",
            severity=self.severity if any(map(_has_identical_units, layers)) else Severity.INFO,
            measured=share,
            limit=self.max_share,
            cause="these units have the same inputs, and the same outgoing weights in the next layer",
            fix=fixes.each(layers),
        )

    @staticmethod
    def _units(weight: object) -> int:
        return getattr(weight, "fan_out", None) or 1


def _has_identical_units(layer: Layer) -> bool:
    """Whether a layer has identical units; different units with equal gradients, as before a sum, stay different."""
    return (
        layer.weight is None or layer.weight.constant or layer.weight.duplicate_rows > 0 or layer.weight.zero_rows > 0
    )
