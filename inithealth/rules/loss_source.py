"""What a loss receives: logits, log-probabilities, or something else by mistake."""

from __future__ import annotations

from inithealth.evidence.bounded_logits import best_constant, has_flat_side, is_one_sided, lacks_logarithm, lowest_share
from inithealth.evidence.loss_heads import is_between_layers
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Loss
from inithealth.rules.base import limit
from inithealth.rules.cosine_scale import CosineScale

_WIDE = 8.0  # logits between which the probability goes from 0.0003 to 0.9997
_WITH_LOGITS = {"cross_entropy": "cross-entropy", "bce_logits": "binary cross-entropy with logits"}


class LossSource(CosineScale):
    """A rule that checks what a loss receives its predictions from."""

    error_lowest: float = limit(
        0.5,
        "lowest loss that the range of the logits allows, relative to that of guessing, beyond which it is an error: "
        "networks with a sigmoid before cross-entropy (0.54 with 4 classes, 0.84 with 100) learned less than half",
        unit="ratio",
    )
    min_lowest: float = limit(
        0.25,
        "lowest loss that the range of the logits allows, relative to that of guessing, beyond which it is reported: "
        "0.35 for tanh and 10 classes, which classifies as well and has a higher loss",
        unit="ratio",
    )

    def by_source(self, loss: Loss, heads: list[Layer], value: float | None) -> Finding | None:
        """Return a finding about what the loss receives instead of logits or log-probabilities; else None."""
        if lacks_logarithm(loss):
            return self._no_logarithm(loss, heads, value)
        if loss.sums_to_one:
            return self._softmax_twice(heads, value)
        return self.cosine_scale(loss, heads) if loss.source == "cosine" else self._bounded(loss, heads)

    def _bounded(self, loss: Loss, heads: list[Layer]) -> Finding | None:
        """Return a finding if an activation limits the logits; None for a range in which the loss can become small."""
        share, edge = lowest_share(loss), has_flat_side(loss)
        if loss.floor is not None:
            judged = share >= self.min_lowest and not is_between_layers(heads)
            return self._out_of_range(loss, heads, share) if judged else None
        if loss.kind not in _WITH_LOGITS or (share < self.min_lowest and not (edge and _is_narrow(loss))):
            return None
        # With tanh before a softmax the largest logit still decides: it classifies as well, with a higher loss.
        smooth = loss.kind == "cross_entropy" and not edge and not is_one_sided(loss)
        severities = (Severity.INFO, Severity.WARNING) if smooth else (Severity.WARNING, Severity.ERROR)
        name, after = loss.source, f"after {called(heads[0])}" if heads else "before the loss"
        reason = f"the lowest loss it allows is {share:.0%} of that of guessing (limit {self.min_lowest:.0%})"
        if share < self.min_lowest:
            reason = "its flat side passes no gradient to the logits beyond it"
        return self.finding(
            heads,
            f"{name} {after}: {_WITH_LOGITS[loss.kind]} expects logits without an activation; {reason}",
            severity=severities[share >= self.error_lowest],
            measured=share,
            limit=self.min_lowest,
            cause=f"the {name} limits the logits, and with them the predicted probabilities"
            if not (is_one_sided(loss) and loss.kind == "bce_logits")
            else f"the output of {name} is never negative, so no predicted probability is below a half",
            fix=f"return the logits: remove the {name} between the last layer and the loss",
        )

    def _out_of_range(self, loss: Loss, heads: list[Layer], share: float) -> Finding:
        """Return the finding on targets outside the range of the last activation, as negative ones after a ReLU."""
        name, after = loss.source, f"after {called(heads[0])}" if heads else "before the loss"
        lowest = loss.lowest or 0.0
        limits = f"at least {number(lowest)}"
        if loss.span is not None:
            limits = f"between {number(lowest)} and {number(lowest + loss.span)}"
        return self.finding(
            heads,
            f"{name} {after}: the predictions are {limits}, but targets are outside: the lowest {loss.kind} loss is "
            f"{share:.0%} of that of always predicting the {best_constant(loss)} target (limit {self.min_lowest:.0%})",
            severity=Severity.ERROR if share >= self.error_lowest else Severity.WARNING,
            measured=share,
            limit=self.min_lowest,
            cause=f"the {name} limits the predictions to a range that the targets exceed",
            fix=f"remove the {name} between the last layer and the loss, or scale the targets to its range",
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

    def _no_logarithm(self, loss: Loss, heads: list[Layer], value: float | None) -> Finding:
        usual = {"layer": "logits", "softmax": "probabilities"}
        what = usual.get(loss.source, f"the output of {loss.source}")
        return self.finding(
            heads,
            f"{called(heads[0]) if heads else 'the output'}: the negative log-likelihood receives {what}, but expects "
            "log-probabilities",
            severity=Severity.ERROR,
            measured=value,
            cause="without a logarithm the loss is not a likelihood, and has no minimum at the right predictions",
            fix="return F.log_softmax(logits, dim=1), or pass the logits to F.cross_entropy",
        )


def _is_narrow(loss: Loss) -> bool:
    """Whether logits reach the edge of their activation soon: a clamp to -100 and 100 limits nothing."""
    return loss.lowest is not None and loss.lowest > -_WIDE and (loss.lowest >= 0.0 or (loss.span or 0.0) < _WIDE)
