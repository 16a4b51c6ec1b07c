from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.findings import Finding, Severity
from inithealth.recording import Recording, Signal
from inithealth.rules.base import Rule
from inithealth.rules.wording import count, number

_FLAT = 1e-6  # std over rms below fp32's resolution


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
    rank = 1
    max_rms: float = 10.0  # healthy nets are fed about 1
    min_rms: float = 1 / 30  # below it the biases outweigh the inputs
    max_abs: float = 50.0  # a single element that large rules its sample

    def check(self, recording: Recording) -> Iterator[Finding]:
        broken = {name: signal for name, signal in recording.inputs.items() if signal.non_finite}
        off = {name: signal for name, signal in recording.inputs.items() if self._off(signal)}
        later = next((step for step in recording.steps if step.broken_inputs), None)
        if broken:  # how large the rest is does not matter before this is mended
            yield self._broken(broken, 0)
        elif later is not None:
            yield self._broken(later.broken_inputs, later.index)
        elif off:
            yield self._scaled(off)

    def _broken(self, inputs: dict[str, Signal], step: int) -> Finding:
        first = next(iter(inputs))
        told = "; ".join(f"{name}: {count(s.non_finite, 'NaN or infinite element')}" for name, s in inputs.items())
        return self.finding(
            [],
            f"{told} in the batch{f' of step {step}' if step else ''}",
            severity=Severity.ERROR,
            step=step,
            measured=float(inputs[first].non_finite),
            limit=0.0,
            cause="the data is broken, not the network",
            fix="drop or mend such samples in the Dataset: x = torch.nan_to_num(x)",
        )

    def _scaled(self, inputs: dict[str, Signal]) -> Finding:
        worst = max(inputs.values(), key=lambda signal: abs(math.log(signal.rms)))
        measured, limit = self._judged(worst)
        told = "; ".join(f"{name}: {self._told(signal)}" for name, signal in inputs.items())
        return self.finding(
            [],
            f"{told}, where initialization assumes about 1",
            measured=measured,
            limit=limit,
            cause="the inputs are not normalized",
            fix="\n".join(_normalized(name, signal, len(inputs)) for name, signal in inputs.items()),
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        large = {"IH202", "IH203", "IH204", "IH205", "IH207", "IH208", "IH209", "IH301", "IH302", "IH303", "IH405"}
        small = {"IH201", "IH206", "IH301"}
        if cause.severity is Severity.ERROR:
            return symptom.code in large | small | {"IH304"}
        return symptom.code in (large if (cause.measured or 0.0) > 1.0 else small)

    def _off(self, signal: Signal) -> bool:
        if signal.rms == 0.0:  # an empty mask or an initial state: not a matter of scale
            return False
        return not self.min_rms <= signal.rms <= self.max_rms or signal.abs_max > self.max_abs

    def _told(self, signal: Signal) -> str:
        measured, limit = self._judged(signal)
        what = "largest element" if measured == signal.abs_max else "rms"
        return f"{what} {number(measured)} (limit {number(limit)})"

    def _judged(self, signal: Signal) -> tuple[float, float]:
        """What is off about an input, and its limit."""
        if signal.rms > self.max_rms:
            return signal.rms, self.max_rms
        return (signal.rms, self.min_rms) if signal.rms < self.min_rms else (signal.abs_max, self.max_abs)


def _normalized(name: str, signal: Signal, inputs: int) -> str:
    x = "x" if inputs == 1 else name
    if signal.std <= _FLAT * signal.rms:  # a constant: there is no spread to divide by
        return f"{x} = {x} / {signal.rms:.3g}"
    return f"{x} = ({x} - {signal.mean:.3g}) / {signal.std:.3g}"
