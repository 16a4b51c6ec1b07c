from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth import levels, remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule
from inithealth.rules.pretrained import trained_layers
from inithealth.rules.wording import called, number

_LEAKS = "the target leaks into the inputs, or the weights are trained already"


class LossAtInit(Rule):
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
    explains = frozenset({"IH203", "IH303", "IH405"})  # at later steps: gradients as large throw the weights away
    max_ratio: float = 10.0  # loss over ln C; the worst of 97 healthy nets has 5.2
    min_ratio: float = 0.5  # below it the network knows something: trained, or the target leaks
    max_logits_std: float = 8.0  # healthy: 5.0 at most
    error_logits_std: float = 50.0  # one class has all the probability, whatever the input

    def skipped(self, recording: Recording) -> str | None:
        if recording.loss.kind != "cross_entropy" or not recording.loss.classes or recording.loss.classes < 2:
            return f"the loss ({recording.loss.kind}) has no known value at initialization"
        return None

    def check(self, recording: Recording) -> Iterator[Finding]:
        kind, value = recording.loss, recording.steps[0].loss if recording.steps else None
        heads = [layer for layer, _ in levels.measured(recording) if layer.head][-1:]
        if kind.sums_to_one:
            yield self._softmax_twice(heads, value)
            return
        if value is None or not math.isfinite(value):
            return
        guess = math.log(kind.classes or 2)
        high, low, spread = self.max_ratio * guess, self.min_ratio * guess, kind.logits_std or 0.0
        start = f"loss at init {number(value)} where guessing gives {number(guess)}"
        if value > high or spread > self.max_logits_std:
            wide = spread > self.max_logits_std
            logits = f"the logits of {called(heads[0])}" if heads else "the logits"
            yield self.finding(
                heads,
                f"{start} (limit {number(high)}); {logits} have std {number(spread)} "
                f"(limit {number(self.max_logits_std)})",
                severity=Severity.ERROR if value > high or spread > self.error_logits_std else Severity.WARNING,
                measured=spread if wide else value,
                limit=self.max_logits_std if wide else high,
                cause="confident guesses that are wrong: training has to unlearn the head first",
                fix=remedy.each(heads) if heads else "scale the logits down",
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
