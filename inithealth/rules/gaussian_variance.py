"""The variance of a Gaussian likelihood at the start of training."""

from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes
from inithealth.evidence.wording import number, span
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Loss
from inithealth.rules.base import Rule, limit


class GaussianVariance(Rule):
    """A rule that checks the variances that a Gaussian negative log-likelihood is given."""

    max_log_variance: float = limit(
        4.0,
        "largest rms of the logarithms of the variances that a Gaussian likelihood starts with, if the loss is also "
        "max_excess above that of the best constant variance: with -3 networks made 92% of the usual progress in 250 "
        "steps of Adam, with +5 and -5 21%",
        unit="rms",
    )
    error_log_variance: float = limit(
        6.0,
        "rms of these logarithms beyond which it is an error: with +8 and -8 networks did not get below the loss of "
        "predicting the mean",
        unit="rms",
    )
    max_excess: float = limit(
        2.0,
        "Gaussian negative log-likelihood above that of the best constant variance: 2.3 with logarithms of +5, 41 with "
        "-5. Extreme variances that fit the targets have no excess",
        unit="nats",
    )

    def gaussian_variance(self, loss: Loss, heads: list[Layer]) -> Iterator[Finding]:
        """Yield a finding if the variances are so extreme that the loss is far above that of a constant variance."""
        if loss.value is None or loss.base is None or loss.log_variance is None:
            return
        excess = loss.value - loss.base
        if not excess > self.max_excess or not loss.log_variance > self.max_log_variance:
            return
        yield self.finding(
            heads,
            f"{span(heads) if heads else 'the output'}: the Gaussian likelihood is given variances whose logarithm has "
            f"rms {number(loss.log_variance)} (limit {number(self.max_log_variance)}): the loss is {number(excess)} "
            f"nats above that of the best constant variance (limit {number(self.max_excess)})",
            severity=Severity.ERROR if loss.log_variance > self.error_log_variance else Severity.WARNING,
            measured=loss.log_variance,
            limit=self.max_log_variance,
            cause="the predicted variances are far from the squared errors: training has to undo them first",
            fix=fixes.joined(fixes.each(heads), fixes.zero_biases(heads)) if heads else "scale it down",
        )
