from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.wording import span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit


class SymmetricGradients(Rule):
    """Units of a layer get bit-identical gradients.

    ## What it checks
    The share of a layer's units whose weight gradient repeats another unit's and is not zero.

    ## Why it matters
    Units that are pushed alike stay alike, or run in parallel for ever: the layer has fewer directions
    than units.

    ## How to fix
    Draw the weights of this layer and of the next at random.

    ## When to ignore
    When the layers differ enough that the units part later; the probation tells.

    ## References
    Goodfellow et al., Deep Learning, section 8.4.
    """

    code = "IH305"
    name = "symmetric-gradients"
    severity = Severity.WARNING
    rank = 47
    explains = frozenset({"IH401"})
    max_share: float = limit(
        0.5,
        "share of units with the gradient of another unit: half of the layer is changed as one",
        unit="share of the layer's units",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        alike = [
            (m.gradient_duplicates, layer)
            for layer, m in signal_path.measured(recording)
            if m.gradient_duplicates >= self.max_share - 1.0 / max(1, self._units(layer.weight))
            and m.gradient_duplicates > 0
            and not layer.head
            and layer.kind != "embedding"
        ]
        if not alike:
            return
        layers = [layer for _, layer in alike]
        share = max(share for share, _ in alike)
        most = f"up to {share:.0%}" if len(alike) > 1 else f"{share:.0%}"
        yield self.finding(
            layers,
            f"{span(layers)}: {most} of the units get the same gradient as another unit (limit {self.max_share:.0%})",
            severity=self.severity if any(map(_start_alike, layers)) else Severity.INFO,
            measured=share,
            limit=self.max_share,
            cause="the layers on both sides treat these units alike",
            fix=fixes.each(layers),
        )

    @staticmethod
    def _units(weight: object) -> int:
        return getattr(weight, "fan_out", None) or 1


def _start_alike(layer: Layer) -> bool:
    """Whether units that are pushed alike are alike too; others, as those that a sum reads, only move in parallel."""
    return (
        layer.weight is None or layer.weight.constant or layer.weight.duplicate_rows > 0 or layer.weight.zero_rows > 0
    )
