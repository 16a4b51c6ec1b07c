from __future__ import annotations

import math
from collections.abc import Iterator

from inithealth.evidence import signal_path
from inithealth.evidence.prognosis import is_normalized, prognosis
from inithealth.evidence.wording import count, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Recording, Signal
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage
from inithealth.theory.activations import is_bounded

_FLAT = 1e-6  # std over rms below fp32's resolution
_ROUNDING = 1e-5  # relative error of a mean in fp32
_CENTERED = 0.05  # mean over std below which the mean is not worth subtracting
_LARGE = frozenset("IH202 IH203 IH204 IH205 IH207 IH208 IH209 IH301 IH302 IH303 IH402 IH403 IH404 IH405 IH406".split())
_SMALL = frozenset("IH201 IH206 IH301 IH406".split())


class InputScale(Rule):
    """The scale of the network's inputs is far from 1.

    ## What it checks
    The rms and largest element of the floating-point inputs; NaN and infinite elements; constant inputs.

    ## Why it matters
    Initialization schemes assume inputs with an rms of about 1. With pixels from 0 to 255, all activations
    start 100 times too large. A NaN in the batch makes the loss NaN for any network.

    ## How to fix
    Normalize the inputs: subtract the mean, divide by the standard deviation.

    ## When to ignore
    If the network normalizes its inputs first.

    ## References
    LeCun et al., Efficient BackProp, section 4.3.
    """

    code = "IH210"
    name = "input-scale"
    severity = Severity.WARNING
    rank = Stage.INPUTS
    max_rms: float = limit(
        10.0,
        "largest rms of an input; the inputs of healthy networks have about 1",
        unit="rms",
    )
    min_rms: float = limit(
        1 / 30,
        "smallest rms of an input; below it the biases outweigh the inputs",
        unit="rms",
    )
    highest_rms: float = limit(
        100.0,
        "rms beyond which it is an error: with pixels from 0 to 255, all six networks without input normalization or "
        "bounded activations failed",
        unit="rms",
    )
    lowest_rms: float = limit(
        1 / 300,
        "rms below which it is an error: nine of ten networks failed at 1/1000",
        unit="rms",
    )
    max_offset: float = limit(
        30.0,
        "mean over standard deviation beyond which it is an error: all samples are nearly the same; five of five "
        "networks failed at 100",
        unit="standard deviations",
    )
    min_between: float = limit(
        1e-2,
        "smallest share of the head's input that differs between samples, if a normalization follows the input",
        unit="share of the mean square",
    )
    max_abs: float = limit(
        50.0,
        "largest single element: a larger one dominates its sample",
        unit="value",
    )
    max_factor_read: float = limit(
        3.0,
        "largest factor between the rms of a network's input and that of a layer's input for the two to count as the "
        "same signal, cropped or padded",
        unit="ratio of rms",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        broken = {name: signal for name, signal in recording.inputs.items() if signal.non_finite}
        off = {name: s for name, s in recording.inputs.items() if self._off(s) and self._is_read(s, recording)}
        later = next((step for step in recording.steps if step.broken_inputs), None)
        if broken:  # the scale is only meaningful once this is fixed
            yield self._broken(broken, 0)
        elif later is not None:
            yield self._broken(later.broken_inputs, later.index)
        elif self._constant(recording):
            yield self._same(recording.inputs)
        elif off:
            bad = any(self._fails(signal, recording) for signal in off.values())
            yield self._scaled(off, Severity.ERROR if bad else self.severity)

    def _broken(self, inputs: dict[str, Signal], step: int) -> Finding:
        first = next(iter(inputs))
        elements = "; ".join(f"{name}: {count(s.non_finite, 'NaN or infinite element')}" for name, s in inputs.items())
        return self.finding(
            [],
            f"{elements} in the batch{f' of step {step}' if step else ''}",
            severity=Severity.ERROR,
            step=step,
            measured=float(inputs[first].non_finite),
            limit=0.0,
            cause="the data contains invalid values; the network is not the cause",
            fix="drop or fix such samples in the Dataset: x = torch.nan_to_num(x)",
        )

    def _constant(self, recording: Recording) -> bool:
        """Return whether all inputs are constant, and so is the input of the first layer."""
        read = [m.input for _, m in signal_path.measured(recording) if m.input is not None]
        alone = all(layer.kind != "embedding" for layer in recording.layers)  # tokens are not floating-point inputs
        seen = bool(recording.inputs) and bool(read)
        return alone and seen and all(map(_is_constant, (*recording.inputs.values(), read[0])))

    def _same(self, inputs: dict[str, Signal]) -> Finding:
        name, signal = next(iter(inputs.items()))
        return self.finding(
            [],
            f"{name} is {number(signal.mean)} in all of its {count(signal.numel, 'element')}",
            measured=0.0,
            limit=0.0,
            cause="every input is constant: the batch shows nothing of what the network does to different inputs",
            fix="look into the Dataset and its normalization: x.std() is 0 over the whole batch",
        )

    def _fails(self, signal: Signal, recording: Recording) -> bool:
        """Return whether training fails: the input has an offset, or a scale that no activation or norm bounds."""
        readers = [
            layer
            for layer, m in signal_path.measured(recording)
            if m.input is not None and self._as_large(signal, m.input)
        ]
        # BatchNorm removes an offset. With tiny inputs, the epsilon of a normalization, or biases, dominate.
        if signal.std * self.max_offset < abs(signal.mean) or signal.rms < self.lowest_rms:
            return prognosis(recording).remains_despite_norms(readers, self.min_between)
        bounded = all(layer.kind == "rnn" or is_bounded(layer) for layer in readers)
        return signal.rms > self.highest_rms and not (is_normalized(readers) or bounded)

    def _scaled(self, inputs: dict[str, Signal], severity: Severity) -> Finding:
        worst = max(inputs.values(), key=lambda signal: abs(math.log(signal.rms)))
        measured, limit = self._judged(worst)
        scales = "; ".join(f"{name}: {self._scale(signal)}" for name, signal in inputs.items())
        return self.finding(
            [],
            f"{scales}; initialization schemes assume about 1",
            severity=severity,
            measured=measured,
            limit=limit,
            variant="large" if measured > 1.0 else "small",
            cause="the inputs are not normalized",
            fix="\n".join(_normalized(name, signal, len(inputs)) for name, signal in inputs.items()),
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        if cause.severity is Severity.ERROR:
            return symptom.code in _LARGE | _SMALL | {"IH304"}
        return symptom.code in (_LARGE if cause.variant == "large" else _SMALL)

    def _off(self, signal: Signal) -> bool:
        if signal.rms == 0.0:  # an empty mask or an initial state, which has no scale
            return False
        nonzero = signal.rms / math.sqrt(max(1.0 - signal.zero_share, _FLAT))  # a bag of words is mostly zeros
        return signal.rms > self.max_rms or nonzero < self.min_rms or signal.abs_max > self.max_abs

    def _scale(self, signal: Signal) -> str:
        measured, limit = self._judged(signal)
        what = "largest element" if measured == signal.abs_max else "rms"
        return f"{what} {number(measured)} (limit {number(limit)})"

    def _judged(self, signal: Signal) -> tuple[float, float]:
        """Return the value of an input that is outside its limit, and the limit."""
        if signal.rms > self.max_rms:
            return signal.rms, self.max_rms
        return (signal.rms, self.min_rms) if signal.rms < self.min_rms else (signal.abs_max, self.max_abs)

    def _is_read(self, signal: Signal, recording: Recording) -> bool:
        """Return whether some layer's input has that scale: a network may scale its inputs first."""
        inputs = [m.input for _, m in signal_path.measured(recording) if m.input is not None]
        read = [each for each in inputs if signal_path.usable(each)]
        return not read or any(self._as_large(signal, each) for each in read)

    def _as_large(self, signal: Signal, read: Signal) -> bool:
        return signal.rms / self.max_factor_read < read.rms < signal.rms * self.max_factor_read


def _normalized(name: str, signal: Signal, inputs: int) -> str:
    x = "x" if inputs == 1 else name
    if signal.std <= _FLAT * signal.rms:  # a constant has no std to divide by
        return f"{x} = {x} / {signal.rms:.3g}"
    if abs(signal.mean) < _CENTERED * signal.std:
        return f"{x} = {x} / {signal.std:.3g}"
    return f"{x} = ({x} {'-' if signal.mean > 0 else '+'} {abs(signal.mean):.3g}) / {signal.std:.3g}"


def _is_constant(signal: Signal) -> bool:
    """Return whether all elements are equal up to rounding, because the mean is as large as the maximum."""
    return signal.numel > 1 and abs(signal.mean) >= signal.abs_max * (1 - _ROUNDING)
