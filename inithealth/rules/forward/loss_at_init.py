from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.symptoms import LogitLimits
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit

_LEAKS = "the target leaks into the inputs, or the weights are already trained"


class LossAtInit(LogitLimits, Rule):
    """The first loss is far from that of random guessing.

    ## What it checks
    For cross-entropy over C classes: the loss relative to ln C, the std of the logits, and whether
    probabilities are passed instead of logits. For binary cross-entropy: the loss if positives are rare.

    ## Why it matters
    A loss far above ln C means confident wrong predictions, which training has to undo first.
    Cross-entropy applies a softmax itself; with another softmax before it, the gradient is about 1000
    times too small.

    ## How to fix
    Scale the head (and a tied embedding) down. Pass logits, not probabilities, to cross-entropy.

    ## When to ignore
    For pretrained networks, whose loss is expected to start below ln C.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/
    """

    code = "IH208"
    name = "loss-at-init"
    severity = Severity.WARNING
    rank = 45
    # At later steps: gradients this large destroy the initialization.
    explains = frozenset("IH203 IH303 IH402 IH403 IH404 IH405 IH406".split())
    max_ratio: float = limit(
        10.0,
        "first loss relative to ln C, the loss of random guessing; the highest of 97 healthy networks is 5.2",
        unit="ratio",
    )
    min_ratio: float = limit(
        0.5,
        "first loss relative to ln C, the loss of random guessing; below it the network is trained or the target leaks",
        unit="ratio",
    )
    error_logits_std: float = limit(
        30.0,
        "std of the logits beyond which it is an error: a network with 17 trained as well as with 1; with 40 all "
        "networks trained more slowly. A loss of 10 ln C alone is a warning",
        unit="std",
    )
    max_positives: float = limit(
        0.01,
        "mean target of a binary cross-entropy below which the output bias needs a prior; 0.001 in a dense detector",
        unit="share of targets",
    )
    max_over_base: float = limit(
        10.0,
        "binary cross-entropy relative to that of always predicting the mean target; with one positive in 1000 it is "
        "88 for a zero bias, 1.9 for a prior of 0.01",
        unit="ratio",
    )

    def skipped(self, recording: Recording) -> str | None:
        if recording.loss.kind == "bce_logits" and recording.loss.over_base is not None:
            return None
        if recording.loss.kind != "cross_entropy" or not recording.loss.classes or recording.loss.classes < 2:
            return f"the expected value of this loss ({recording.loss.kind}) at initialization is not known"
        return None

    def check(self, recording: Recording) -> Iterator[Finding]:
        kind, value = recording.loss, recording.steps[0].loss if recording.steps else None
        heads = [layer for layer, _ in signal_path.measured(recording) if layer.head][-1:]
        if kind.over_base is not None:
            yield from self._no_prior(recording, heads, value)
            return
        if kind.sums_to_one:
            yield self._softmax_twice(heads, value)
            return
        value = kind.value if kind.value is not None else value if kind.alone else None
        if value is None or not math.isfinite(value):
            return
        guess = math.log(kind.classes or 2)
        high, low, spread = self.max_ratio * guess, self.min_ratio * guess, kind.logits_std or 0.0
        start = f"loss at init {number(value)}; random guessing gives {number(guess)}"
        if value > high or spread > self.max_logits_std:
            wide, unknown = spread > self.max_logits_std, kind.logits_std is None
            logits = f"the logits of {called(heads[0])}" if heads else "the logits"
            yield self.finding(
                heads,
                f"{start} (limit {number(high)}); {logits} have std {number(spread)} "
                f"(limit {number(self.max_logits_std)})",
                severity=Severity.ERROR if spread > self.error_logits_std or unknown else Severity.WARNING,
                measured=spread if wide else value,
                limit=self.max_logits_std if wide else high,
                cause="the predictions are confident and wrong: training has to undo them first",
                fix=fixes.each(heads) if heads else "scale the logits down",
            )
        elif value < low:
            yield self.finding(
                [],
                f"{start} (limit {number(low)})",
                severity=Severity.INFO,
                measured=value,
                limit=low,
                cause="the weights are already trained" if trained_layers(recording) else _LEAKS,
                fix="no fix needed if the weights are pretrained; otherwise, check if the inputs contain the target",
            )

    def _no_prior(self, recording: Recording, heads: list[Layer], value: float | None) -> Iterator[Finding]:
        """Yield a finding if positives are rare, the predictions do not reflect it, and the loss is large."""
        positives, over = recording.loss.positives or 0.0, recording.loss.over_base or 0.0
        high = self.max_ratio * math.log(2)
        if positives >= self.max_positives or over <= self.max_over_base or value is None or not value > high:
            return
        prior = max(positives, 0.01)
        bias = [fixes.code(layer.bias.name) for layer in heads if layer.bias is not None]
        yield self.finding(
            heads,
            f"loss at init {number(value)} (limit {number(high)}): the mean target is {number(positives)}, and the "
            f"loss is {number(over)}x that of always predicting it (limit {number(self.max_over_base)}x)",
            measured=value,
            limit=high,
            cause="the output bias does not reflect that positives are rare: negatives dominate the first steps",
            fix="\n".join(f"nn.init.constant_({name}, {-math.log((1 - prior) / prior):.3g})" for name in bias)
            or "give the last layer a bias that starts at log(prior / (1 - prior))",
        )

    def _softmax_twice(self, heads: list[Layer], value: float | None) -> Finding:
        return self.finding(
            heads,
            f"{called(heads[0]) if heads else 'the output'}: cross-entropy receives probabilities, "
            "but applies a softmax itself",
            severity=Severity.ERROR,
            measured=value,
            cause="softmax is applied twice: the gradient is about 1000 times too small",
            fix="return the logits: remove the softmax before F.cross_entropy",
        )
