from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.trial import Trial
from inithealth.evidence.wording import span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording, Weight, weighted
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage

_STILL = "are still identical"
_ROUNDING = 1e-5  # of sums of single-precision gradients, relative to the gradients


class DuplicateNeurons(Rule):
    """Units of a layer are exact copies of each other.

    ## What it checks
    Units (rows of a matrix or filters of a convolution, with their bias) that are bit-identical to another
    unit, and whether they are still identical after four optimizer steps. Each group of a grouped
    convolution is checked separately, since groups have different inputs. Copies in a head, such as a
    deconvolution with one filter for all pairs of channels, are reported if no gradient passes upstream.

    ## Why it matters
    Copies whose outgoing weights are equal too receive equal gradients. They never diverge, so the layer
    has fewer effective units than its width. In a head, labels make them diverge, but until then the
    gradients of the classes add up to zero.

    ## How to fix
    Initialize all units at random. If weights are tiled or copied intentionally, add a small amount of noise.

    ## When to ignore
    For layers intentionally widened by copying (Net2Net), if noise or dropout makes the copies diverge.

    ## References
    Chen et al., Net2Net, https://arxiv.org/abs/1511.05641
    """

    code = "IH105"
    name = "duplicate-neurons"
    severity = Severity.WARNING
    rank = Stage.DUPLICATE_UNITS
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH201 IH202 IH204 IH205 IH206 IH207 IH208 IH301 IH302 IH305 IH401 IH406".split()  # copies add up
    )
    max_lost: float = limit(
        0.5,
        "share of units that are still copies after four optimizer steps: beyond half, the layer does not recover in "
        "training",
        unit="share of the layer's units",
    )
    min_share: float = limit(
        0.25,
        "smallest share of copies for a warning if they diverge in training",
        unit="share of the layer's units",
    )
    min_fan_in: int = limit(
        3,
        "fewest inputs of a half-precision layer that is checked: units with one or two inputs coincide by chance",
        unit="inputs",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        trial = Trial(recording.probation)
        groups: dict[tuple[Severity, str], list[Layer]] = {}
        for layer, weight in recording.weighted:
            if self._judged(layer, weight):
                # Labels make the copies in a head diverge. Until then they pass no gradient, if they are all alike.
                if layer.head and not _cancels_gradients(recording, layer):
                    continue
                groups.setdefault(self._outcome(layer, weight, trial), []).append(layer)
        for (severity, outcome), layers in groups.items():
            still = outcome.startswith(_STILL)
            share = max(trial.identical_share(x) if still else weight.duplicate_rows for x, weight in weighted(layers))
            most = f"up to {share:.0%}" if len(layers) > 1 else f"{share:.0%}"
            yield self.finding(
                layers,
                f"{span(layers)}: {most} of the units are copies of another unit and {outcome} "
                f"(limit {self.max_lost:.0%})",
                severity=severity,
                measured=share,
                limit=self.max_lost,
                cause=_cause(layers, still),
                fix=fixes.with_own_scale(layers),
            )

    def _outcome(self, layer: Layer, weight: Weight, trial: Trial) -> tuple[Severity, str]:
        """Return the severity of a layer's copies, and whether the first steps make them diverge."""
        if not trial.settled:
            return Severity.INFO, "may diverge in the first steps"
        copies = trial.identical_share(layer)
        if copies > 0:
            lost = copies >= self.max_lost - 1.0 / (weight.fan_out or 1)  # one of the identical units is no copy
            return Severity.ERROR if lost else Severity.WARNING, f"{_STILL} after {trial.steps} steps"
        many = weight.duplicate_rows >= self.min_share
        return Severity.WARNING if many else Severity.INFO, "diverge in training"

    def _judged(self, layer: Layer, weight: Weight) -> bool:
        if not weight.trainable or not layer.reaches_loss or layer.steers or layer.kind == "embedding":
            return False
        if weight.half_precision and (weight.fan_in or 0) < self.min_fan_in:
            return False
        return not weight.constant and weight.duplicate_rows > 0


def _cause(layers: list[Layer], still: bool) -> str:
    if still:
        return "copies whose outgoing weights are equal too receive equal gradients and never diverge"
    if any(layer.head for layer in layers):
        return "weights were copied or tiled; the gradients of equal classes add up to zero, so none passes upstream"
    return "weights were copied or tiled"


def _cancels_gradients(recording: Recording, head: Layer) -> bool:
    """Whether the gradients of the units of a head add up to zero, but for rounding, in all upstream layers."""
    measured = [(layer, m.gradient) for layer, m in signal_path.measured(recording) if m.gradient is not None]
    upstream = [gradient.rms for layer, gradient in measured if layer.index < head.index]
    own = [gradient.rms for layer, gradient in measured if layer.name == head.name]
    return bool(upstream and own) and max(upstream) <= _ROUNDING * own[0]
