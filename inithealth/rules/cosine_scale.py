"""Cosines as logits: without a scale, a softmax over many classes cannot become confident."""

from __future__ import annotations

import math

from inithealth.evidence.bounded_logits import lowest_share
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Loss
from inithealth.rules.base import Rule, limit

_CONFIDENT = 0.9  # probability of the right class that the suggested scale allows


class CosineScale(Rule):
    """A rule that checks the constant scale of cosines that cross-entropy receives; a learnable one is not judged."""

    min_cosine_classes: int = limit(
        100,
        "fewest classes for which the scale of cosine logits is judged: with 10 classes networks classified as well "
        "with a scale of 0.5 as with 16",
        unit="classes",
    )
    max_cosine_lowest: float = limit(
        0.5,
        "lowest loss that cosine logits allow, relative to that of guessing, beyond which their scale is too small: "
        "with 0.58 (scale 1, 100 classes) networks reached 82% of the accuracy of the best scale, with 0.68 (scale 1, "
        "500 classes) 70%, with 0.37 (scale 2) 85%, with 0.03 (scale 4) 96%",
        unit="ratio",
    )

    def cosine_scale(self, loss: Loss, heads: list[Layer]) -> Finding | None:
        """Return a finding if the cosines are multiplied by too small a number; else None."""
        share, classes = lowest_share(loss), loss.classes or 0
        if loss.kind != "cross_entropy" or classes < self.min_cosine_classes or share <= self.max_cosine_lowest:
            return None
        enough = math.ceil(math.log((classes - 1) * _CONFIDENT / (1 - _CONFIDENT)))
        return self.finding(
            heads,
            f"{called(heads[0]) if heads else 'the output'}: cosines between {number(-(loss.span or 0.0) / 2)} and "
            f"{number((loss.span or 0.0) / 2)} are the logits of {classes} classes; the lowest loss that they allow is "
            f"{share:.0%} of that of guessing (limit {self.max_cosine_lowest:.0%})",
            severity=Severity.WARNING,
            measured=share,
            limit=self.max_cosine_lowest,
            cause="the scale of the cosines limits the predicted probabilities",
            fix=f"multiply the cosines by {enough} or more, or by a learnable scale that starts there",
        )
