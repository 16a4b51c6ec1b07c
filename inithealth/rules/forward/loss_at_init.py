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

_LEAKS = "the target leaks into the inputs, or the weights are trained already"


class LossAtInit(LogitLimits, Rule):
    """The first loss is not that of guessing.

    ## What it checks
    With cross-entropy over C classes: the loss against ln C, the spread of the logits, and whether the
    "logits" are probabilities already.

    ## Why it matters
    A loss far above ln C means confident wrong guesses: training first has to unlearn the head. A softmax
    before cross-entropy, which has one inside, leaves a thousandth of the gradient.

    ## How to fix
    Scale the head (and a tied embedding) down; feed logits, not probabilities, to cross-entropy.

    ## When to ignore
    For pretrained networks, which start below ln C by right.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/
    """

    code = "IH208"
    name = "loss-at-init"
    severity = Severity.WARNING
    rank = 45
    # At later steps: gradients as large throw the weights away.
    explains = frozenset("IH203 IH303 IH402 IH403 IH404 IH405 IH406".split())
    max_ratio: float = limit(
        10.0,
        "first loss over that of guessing, ln C; the worst of 97 healthy networks has 5.2",
        unit="ratio",
    )
    min_ratio: float = limit(
        0.5,
        "first loss over that of guessing, ln C, below which the network knows something: it is trained, or "
        "the target leaks",
        unit="ratio",
    )
    error_logits_std: float = limit(
        30.0,
        "spread of the logits beyond which it is an error: one network with 17 trained as with 1, at 40 all "
        "were slowed. A loss of 10 ln C by itself is a warning",
        unit="std",
    )
    max_positives: float = limit(
        0.01,
        "mean target of a binary cross-entropy below which the output needs a prior; a dense detector's is 0.001",
        unit="share of targets",
    )
    max_over_base: float = limit(
        10.0,
        "binary cross-entropy over that of always guessing the mean target: 88 with a bias of zero at one "
        "positive in a thousand, 1.9 with a prior of 0.01",
        unit="ratio",
    )

    def skipped(self, recording: Recording) -> str | None:
        if recording.loss.kind == "bce_logits" and recording.loss.over_base is not None:
            return None
        if recording.loss.kind != "cross_entropy" or not recording.loss.classes or recording.loss.classes < 2:
            return f"the loss ({recording.loss.kind}) has no known value at initialization"
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
        start = f"loss at init {number(value)} where guessing gives {number(guess)}"
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
                cause="confident guesses that are wrong: training has to unlearn the head first",
                fix=fixes.each(heads) if heads else "scale the logits down",
            )
        elif value < low:
            yield self.finding(
                [],
                f"{start} (limit {number(low)})",
                severity=Severity.INFO,
                measured=value,
                limit=low,
                cause="the weights are trained already" if trained_layers(recording) else _LEAKS,
                fix="nothing to mend if the weights are pretrained; else look for the target among the inputs",
            )

    def _no_prior(self, recording: Recording, heads: list[Layer], value: float | None) -> Iterator[Finding]:
        """Rare positives, guesses far from that, and a loss that is not a mean over all guesses: the many rule it."""
        positives, over = recording.loss.positives or 0.0, recording.loss.over_base or 0.0
        high = self.max_ratio * math.log(2)
        if positives >= self.max_positives or over <= self.max_over_base or value is None or not value > high:
            return
        prior = max(positives, 0.01)
        bias = [fixes.code(layer.bias.name) for layer in heads if layer.bias is not None]
        yield self.finding(
            heads,
            f"loss at init {number(value)} (limit {number(high)}): {number(positives)} of the targets are positive, "
            f"and the guesses are {number(over)}x worse than guessing that (limit {number(self.max_over_base)}x)",
            measured=value,
            limit=high,
            cause="nothing tells the output that positives are rare: the many negatives rule the first steps",
            fix="\n".join(f"nn.init.constant_({name}, {-math.log((1 - prior) / prior):.3g})" for name in bias)
            or "give the last layer a bias that starts at log(prior / (1 - prior))",
        )

    def _softmax_twice(self, heads: list[Layer], value: float | None) -> Finding:
        return self.finding(
            heads,
            f"{called(heads[0]) if heads else 'the output'}: probabilities are fed to cross-entropy, "
            "which applies a softmax of its own",
            severity=Severity.ERROR,
            measured=value,
            cause="softmax twice: the gradient is a thousandth of what it should be",
            fix="return the logits: leave the softmax before F.cross_entropy out",
        )
