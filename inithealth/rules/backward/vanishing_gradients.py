from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import gain_causes, signal_path
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class VanishingGradients(gain_causes.GainLimits, Rule):
    """Gradients shrink in the backward pass.

    ## What it checks
    The smallest gradient norm at the output of a layer that no skip connection bypasses, relative to the
    largest downstream of it. The limits are lower for Adam and other adaptive optimizers, which rescale
    each gradient, and much lower for networks with normalization.

    ## Why it matters
    Of all statistics at initialization, this ratio is the best predictor of whether a network trains.
    With SGD, layers whose gradient is 1000 times smaller than that of others hardly change.

    ## How to fix
    Initialize with the gain of the activation, or add skip connections or normalization. In deep networks
    use ReLU or tanh instead of sigmoid.

    ## When to ignore
    For networks with zero-initialized branches. Normalized networks with LayerScale are exempt.

    ## References
    Glorot and Bengio 2010; Hochreiter 1998, The vanishing gradient problem.
    """

    code = "IH301"
    name = "vanishing-gradients"
    severity = Severity.WARNING
    rank = Stage.VANISHING_GRADIENTS
    explains = frozenset({"IH304", "IH402", "IH406", "IH407", "IH408"})
    low_ratio: float = limit(
        7e-4,
        "smallest ratio with SGD, without normalization; the lowest of 97 healthy networks is 7.6e-4",
        unit="ratio to the largest gradient downstream",
    )
    lowest_ratio: float = limit(
        1e-4,
        "ratio with SGD below which it is an error: no such network trained",
        unit="ratio to the largest gradient downstream",
    )
    low_ratio_adaptive: float = limit(
        1e-5,
        "smallest ratio with adaptive optimizers such as Adam, which train slowly at ratios at which SGD fails",
        unit="ratio to the largest gradient downstream",
    )
    lowest_ratio_adaptive: float = limit(
        1e-7,
        "ratio with adaptive optimizers such as Adam below which it is an error: epsilon outweighs the gradient",
        unit="ratio to the largest gradient downstream",
    )
    low_ratio_normalized: float = limit(
        1e-6,
        "smallest ratio with normalization, since gradients grow in BatchNorm networks; the lowest of healthy networks "
        "is 7.5e-6",
        unit="ratio to the largest gradient downstream",
    )
    lowest_ratio_normalized: float = limit(
        1e-9,
        "ratio with normalization below which it is an error: no healthy network without LayerScale is close to it",
        unit="ratio to the largest gradient downstream",
    )

    def skipped(self, recording: Recording) -> str | None:
        if recording.differentiated:
            return "the loss contains derivatives, so its gradient does not reflect the forward pass"
        if any(layer.head and weight.constant for layer, weight in recording.weighted):
            return "the units of the head start identical, so the gradients upstream cancel until the first step"
        if recording.layer_scale and recording.normalized:
            return "small gradients are expected here: these branches have near-zero learned scales"
        return None if signal_path.gradient_ratio(recording) else "fewer than two layers have a non-zero gradient"

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = signal_path.gradient_fade(recording)
        low, lowest = self._limits(recording)
        if found is None or found[1] >= low:
            return
        at, ratio, top = found
        path = [layer for layer, _ in signal_path.main_path(recording) if layer.kind != "embedding"]
        causes = gain_causes.weakest(path, self)
        yield self.finding(
            causes,
            f"gradients shrink to {number(ratio)}x in the backward pass from {called(top)} to {called(at)} "
            f"(limit {number(low)}x)",
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
