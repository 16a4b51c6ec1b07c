from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

from inithealth.evidence import fixes, loss_heads
from inithealth.evidence.bounded_logits import best_constant, lacks_logarithm
from inithealth.evidence.loss_heads import LARGE_HEAD, heads_of, is_between_layers, is_biased, variant_of
from inithealth.evidence.losses import GuessLimits, guessing, losses_of, value_of
from inithealth.evidence.symptoms import SIZED, LogitLimits, PredictionLimits, prediction_ratio
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.wording import number, span, times
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Loss, Recording
from inithealth.rules.base import limit
from inithealth.rules.causality import Stage
from inithealth.rules.gaussian_variance import GaussianVariance
from inithealth.rules.loss_source import LossSource
from inithealth.rules.one_sided import OneSided
from inithealth.rules.overflow import Overflow

_LEAKS = "the target leaks into the inputs, or the weights are already trained"


class LossAtInit(GuessLimits, LogitLimits, PredictionLimits, OneSided, Overflow, GaussianVariance, LossSource):
    """The first loss is far from that of random guessing.

    ## What it checks
    Each loss of the objective by itself. Cross-entropy over C classes: the loss relative to ln C, and the std
    of the logits. Binary cross-entropy: the std of the logits, and the loss if positives are rare. Mean
    squared error, L1, smooth L1 and Huber, called or written out: the predictions relative to the targets.
    For all of them: an activation after the last layer that limits how low the loss can get. Negative
    log-likelihood: whether it receives log-probabilities. The mean and the log-scale of a distribution, as in a
    variational autoencoder or a Gaussian policy: an activation that keeps them from being negative. An infinite
    exponential, as in log(1 + exp(x)): the layers whose outputs are too large for it. Gaussian negative
    log-likelihood: the variances relative to the squared errors. Cosines as logits: their scale.

    ## Why it matters
    A loss far above that of guessing means confident wrong predictions, which training has to undo first.
    Cross-entropy applies a softmax itself; with another softmax before it, the gradient is about 1000
    times too small, and with a sigmoid the loss cannot fall below half of that of guessing.

    ## How to fix
    Scale the head (and a tied embedding) down. Pass logits, not probabilities, to cross-entropy, and no
    activation between the last layer and the loss.

    ## When to ignore
    For pretrained networks, whose loss is expected to start below ln C.

    ## References
    https://karpathy.github.io/2019/04/25/recipe/
    """

    code = "IH208"
    name = "loss-at-init"
    severity = Severity.WARNING
    rank = Stage.LOSS
    variant_ranks: ClassVar[Mapping[str, int]] = {LARGE_HEAD: Stage.LARGE_HEAD}
    # IH4xx: at later steps, gradients this large destroy the initialization.
    explains = frozenset("IH203 IH303 IH402 IH403 IH404 IH405 IH406".split())
    max_ratio: float = limit(
        10.0,
        "first loss relative to ln C, the loss of random guessing; the highest of 97 healthy networks is 5.2",
        unit="ratio",
    )
    max_positives: float = limit(
        0.01,
        "mean target of a binary cross-entropy below which the output bias needs a prior; 0.001 in a dense detector",
        unit="share of targets",
    )
    max_predictions: float = limit(
        10.0,
        "rms of the predictions relative to that of the targets, for a loss that compares them, if the loss is also "
        "max_over_base times that of always predicting the mean target; two healthy networks have 7",
        unit="ratio",
    )
    error_predictions: float = limit(
        30.0,
        "rms of the predictions relative to that of the targets beyond which it is an error",
        unit="ratio",
    )

    def skipped(self, recording: Recording) -> str | None:
        beside = recording.one_sided or any(self.overflow(recording))
        if beside or any(_is_known(loss) for loss in losses_of(recording)):
            return None
        return f"the expected value of this loss ({recording.loss.kind}) at initialization is not known"

    def check(self, recording: Recording) -> Iterator[Finding]:
        named: set[tuple[str, ...]] = set()
        for place, loss in enumerate(losses_of(recording)):
            for found in self._of_loss(recording, loss, main=place == 0) if _is_known(loss) else ():
                if not found.layers or found.layers not in named:  # one finding for several losses of one head
                    yield found
                named.add(found.layers)
        yield from self.one_sided(recording)
        yield from self.overflow(recording)

    def _of_loss(self, recording: Recording, loss: Loss, *, main: bool) -> Iterator[Finding]:
        value = value_of(recording, loss)
        heads = heads_of(recording, loss)
        source = self.by_source(loss, heads, value)
        if source is not None:
            yield source
        elif loss.kind == "gaussian_nll":
            yield from self.gaussian_variance(loss, heads)
        elif loss.kind in SIZED:
            yield from self._far_predictions(recording, loss, heads)
        elif loss.kind != "nll" and value is not None and math.isfinite(value):
            yield from self._far_from_guessing(recording, loss, heads, value, main=main)

    def _far_predictions(self, recording: Recording, loss: Loss, heads: list[Layer]) -> Iterator[Finding]:
        """Yield a finding if the predictions are much larger than the targets, and the loss is large because of it."""
        if is_between_layers(heads):
            return
        ratio, biased = prediction_ratio(loss), is_biased(recording, heads)
        most = self.far_predictions if biased else self.max_predictions
        if ratio <= most or (loss.over_base or 0.0) <= self.max_over_base:
            return
        yield self.finding(
            heads,
            f"{span(heads) if heads else 'the output'}: predictions of rms {number(loss.prediction_rms or 0.0)} for "
            f"targets of rms {number(loss.target_rms or 0.0)} (limit {number(most)}x): the "
            f"{loss.kind} loss is {times(loss.over_base or 0.0)} that of always predicting the {best_constant(loss)} "
            "target",
            severity=Severity.ERROR if ratio > self.error_predictions else Severity.WARNING,
            variant=variant_of(recording, heads),
            measured=loss.prediction_rms,
            limit=most * (loss.target_rms or 0.0),
            cause="the bias of the last layer is far from the targets: training has to undo it first"
            if biased
            else "the predictions are much larger than the targets: training has to undo them first",
            fix=(fixes.zero_biases(heads) if biased else fixes.each(heads)) if heads else "scale the predictions down",
        )

    def _far_from_guessing(
        self, recording: Recording, loss: Loss, heads: list[Layer], value: float, *, main: bool
    ) -> Iterator[Finding]:
        """Yield a finding if the logits have a large spread, or the loss is far above or below that of guessing."""
        binary = loss.kind == "bce_logits"
        guess = guessing(loss)
        high, low, spread = self.max_ratio * guess, self.min_ratio * guess, loss.logits_std or 0.0
        start = f"loss at init {number(value)}; random guessing gives {number(guess)}"
        if (spread > self.max_logits_std and value >= low) or (value > high and not binary):
            found = self._wide(loss, heads, f"{start} (limit {number(high)})", value, high)
            factor = loss_heads.multiplied_after(recording, heads, spread)
            if factor is not None and loss.source != "cosine":
                advice = f"divide the logits by {factor:.2g}: the outputs of {span(heads)} are smaller by that factor"
                found = found.model_copy(update={"fix": advice, "operations": ()})
            yield found.model_copy(update={"variant": variant_of(recording, heads)})
        elif binary:
            total = recording.steps[0].loss if main and recording.steps else None
            yield from self._no_prior(loss, heads, total)
        elif value < low and main:
            yield self.finding(
                [],
                f"{start} (limit {number(low)})",
                severity=Severity.INFO,
                measured=value,
                limit=low,
                cause="the weights are already trained" if trained_layers(recording) else _LEAKS,
                fix="no fix needed if the weights are pretrained; otherwise, check if the inputs contain the target",
            )

    def _wide(self, loss: Loss, heads: list[Layer], start: str, value: float, high: float) -> Finding:
        spread = loss.logits_std or 0.0
        wide, unknown = spread > self.max_logits_std, loss.logits_std is None
        logits = f"the logits of {span(heads)}" if heads else "the logits"
        return self.finding(
            heads,
            f"{start}; {logits} have std {number(spread)} (limit {number(self.max_logits_std)})",
            severity=Severity.ERROR if spread > self.error_logits_std or unknown else Severity.WARNING,
            measured=spread if wide else value,
            limit=self.max_logits_std if wide else high,
            cause="the predictions are confident and wrong: training has to undo them first",
            fix="multiply the cosines by a smaller number: other weights do not change their size"
            if loss.source == "cosine"
            else fixes.each(heads)
            if heads
            else "scale the logits down",
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether another finding follows; gradients that grow do, if the head itself is too large."""
        return super().accounts_for(cause, symptom) or (cause.variant == LARGE_HEAD and symptom.code == "IH302")

    def _no_prior(self, loss: Loss, heads: list[Layer], value: float | None) -> Iterator[Finding]:
        """Yield a finding if positives are rare, the predictions do not reflect it, and the loss is large."""
        positives, over = loss.positives or 0.0, loss.over_base or 0.0
        high = self.max_ratio * math.log(2)
        if positives >= self.max_positives or over <= self.max_over_base or value is None or not value > high:
            return
        prior = max(positives, 0.01)
        yield self.finding(
            heads,
            f"loss at init {number(value)} (limit {number(high)}): the mean target is {number(positives)}, and the "
            f"loss is {number(over)}x that of always predicting it (limit {number(self.max_over_base)}x)",
            measured=value,
            limit=high,
            cause="the output bias does not reflect that positives are rare: negatives dominate the first steps",
            fix=fixes.set_biases(heads, -math.log((1 - prior) / prior))
            or "give the last layer a bias that starts at log(prior / (1 - prior))",
        )


def _is_known(loss: Loss) -> bool:
    """Whether the loss has an expected value at initialization, or an expected source."""
    if loss.kind == "cross_entropy":
        return loss.classes is not None and loss.classes > 1
    return loss.over_base is not None or loss.log_variance is not None or lacks_logarithm(loss)
