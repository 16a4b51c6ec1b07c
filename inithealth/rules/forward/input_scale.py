from __future__ import annotations

from collections.abc import Iterator

from inithealth.findings import Finding, Severity
from inithealth.recording import Recording, Signal
from inithealth.rules.base import Rule


class InputScale(Rule):
    """The network's inputs are not of the order of one.

    ## What it checks
    rms and largest element of the floating inputs; NaN and infinite elements.

    ## Why it matters
    Initialization schemes assume inputs of about unit size. Pixels of 0 to 255 start every layer 100
    times too large; a NaN in the batch makes the loss NaN whatever the network.

    ## How to fix
    Normalize the inputs: subtract the mean, divide by the standard deviation.

    ## When to ignore
    When the first thing that the network does is to normalize.

    ## References
    LeCun et al., Efficient BackProp, section 4.3.
    """

    code = "IH210"
    name = "input-scale"
    severity = Severity.WARNING
    rank = 2
    max_rms: float = 10.0  # healthy nets are fed about 1
    min_rms: float = 1 / 30  # below it the biases outweigh the inputs
    max_abs: float = 50.0  # a single element that large rules its sample

    def check(self, recording: Recording) -> Iterator[Finding]:
        for name, signal in recording.inputs.items():
            if signal.non_finite:
                yield self.finding(
                    [],
                    f"{name}: {signal.non_finite} NaN or infinite elements in the batch",
                    severity=Severity.ERROR,
                    measured=float(signal.non_finite),
                    limit=0.0,
                    cause="the data is broken, not the network",
                    fix="drop or mend such samples in the Dataset: torch.nan_to_num(x), or check the normalization",
                )
            elif self._off(signal):
                yield self.finding(
                    [],
                    f"{name}: rms {signal.rms:.3g}, largest {signal.abs_max:.3g}, where initialization assumes about 1",
                    measured=signal.rms if not self.min_rms <= signal.rms <= self.max_rms else signal.abs_max,
                    limit=self._limit(signal),
                    cause="the inputs are not normalized",
                    fix=f"x = (x - {signal.mean:.3g}) / {max(signal.std, 1e-12):.3g}",
                )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        large = {"IH202", "IH203", "IH204", "IH205", "IH208", "IH301", "IH302", "IH303"}
        small = {"IH201", "IH206", "IH301"}
        if cause.severity is Severity.ERROR:
            return symptom.code in large | small | {"IH304", "IH405"}
        return symptom.code in (large if (cause.measured or 0.0) > 1.0 else small)

    def _off(self, signal: Signal) -> bool:
        if signal.rms == 0.0:  # an empty mask or an initial state: not a matter of scale
            return False
        return not self.min_rms <= signal.rms <= self.max_rms or signal.abs_max > self.max_abs

    def _limit(self, signal: Signal) -> float:
        if signal.rms > self.max_rms:
            return self.max_rms
        return self.min_rms if signal.rms < self.min_rms else self.max_abs
