from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import gain_causes, signal_path
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule, limit


class VanishingGradients(gain_causes.GainLimits, Rule):
    """Gradients fade on their way back from the loss.

    ## What it checks
    The smallest gradient norm at the output of a layer that no skip gets round, over the largest between
    it and the loss. With Adam and its kin, which rescale each gradient, the limits are lower; with
    normalization much lower.

    ## Why it matters
    Of all statistics at initialization this ratio predicts best whether a network trains: layers whose
    gradient is a thousandth of the others' stand still under SGD.

    ## How to fix
    Initialize with the gain of the activation, use a residual path or normalization; prefer ReLU or tanh
    to sigmoid in depth.

    ## When to ignore
    For networks with LayerScale or zero-initialized branches (exempt by themselves).

    ## References
    Glorot and Bengio 2010; Hochreiter 1998, The vanishing gradient problem.
    """

    code = "IH301"
    name = "vanishing-gradients"
    severity = Severity.WARNING
    rank = 43
    explains = frozenset({"IH304", "IH402", "IH406", "IH407", "IH408"})
    low_ratio: float = limit(
        7e-4,
        "with SGD, without normalization: the lowest of 97 healthy networks is 7.6e-4",
        unit="smallest gradient over the largest after it",
    )
    lowest_ratio: float = limit(
        1e-4,
        "with SGD, below which it is an error: none trained",
        unit="smallest gradient over the largest after it",
    )
    low_ratio_adaptive: float = limit(
        1e-5,
        "with Adam and its kin, which train, slowly, at ratios where SGD never does",
        unit="smallest gradient over the largest after it",
    )
    lowest_ratio_adaptive: float = limit(
        1e-7,
        "with Adam and its kin, below which it is an error: its epsilon outweighs the gradient",
        unit="smallest gradient over the largest after it",
    )
    low_ratio_normalized: float = limit(
        1e-6,
        "with normalization: BatchNorm's gradients grow by themselves, healthy networks come down to 7.5e-6",
        unit="smallest gradient over the largest after it",
    )
    lowest_ratio_normalized: float = limit(
        1e-9,
        "with normalization, below which it is an error: no healthy network without LayerScale comes near",
        unit="smallest gradient over the largest after it",
    )

    def skipped(self, recording: Recording) -> str | None:
        if recording.differentiated:
            return "the loss is made of derivatives: its gradient is no measure of the way forwards"
        if any(layer.head and weight.constant for layer, weight in recording.weighted):
            return "the head's units start alike: what comes back through them cancels, until the first step"
        if recording.layer_scale and recording.normalized:
            return "learned scales near zero damp the gradients of their branches by right"
        return (
            None if signal_path.gradient_ratio(recording) else "fewer than two layers have a gradient other than zero"
        )

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = signal_path.gradient_fade(recording)
        low, lowest = self._limits(recording)
        if found is None or found[1] >= low:
            return
        at, ratio, top = found
        way = [layer for layer, _ in signal_path.trunk(recording) if layer.kind != "embedding"]
        causes = gain_causes.weakest(way, self)
        yield self.finding(
            causes,
            f"gradients fade to {number(ratio)} on the way back from {called(top)} to {called(at)} "
            f"(limit {number(low)})",
            severity=Severity.ERROR if ratio < lowest else Severity.WARNING,
            measured=ratio,
            limit=low,
            cause=gain_causes.explain(causes, self, of="gradient"),
            fix=gain_causes.fix(causes),
        )

    def _limits(self, recording: Recording) -> tuple[float, float]:
        if recording.normalized:
            return self.low_ratio_normalized, self.lowest_ratio_normalized
        if recording.adaptive:
            return self.low_ratio_adaptive, self.lowest_ratio_adaptive
        return self.low_ratio, self.lowest_ratio
