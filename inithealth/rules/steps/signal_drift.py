from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from inithealth.evidence import signal_path
from inithealth.evidence.drift import Reading, baseline, beyond_the_network, drifts, latest
from inithealth.evidence.fixes import LOWER_RATE
from inithealth.evidence.wording import called, times
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule, limit, span


class SignalDrift(Rule):
    """A layer's signal or gradient has drifted away from where it started, and from the other layers.

    ## What it checks
    rms of the output, and norm of the gradient there, of the last watched step over their median in
    steps 1 to 9; less what the network's layers have changed by in the median. Of the whole network the
    outputs alone: gradients fall with the loss by right.

    ## Why it matters
    In a normalized network the loss shows a growing layer last: running statistics and gains drift first.

    ## How to fix
    Lower the learning rate, clip gradients, or give the layer weight decay or a normalization.

    ## When to ignore
    For layers that start near zero on purpose and are waking up.

    ## References
    Dehghani et al., Scaling Vision Transformers to 22 Billion Parameters, section 2 (attention logits that drift).
    """

    code = "IH403"
    name = "signal-drift"
    severity = Severity.WARNING
    rank = 61
    explains = frozenset("IH203 IH303 IH404 IH405 IH406".split())
    max_octaves: float = limit(
        5.0,
        "growth of a layer's output beyond the network's (a factor of 32); a healthy layer that starts near "
        "zero comes to 4.3",
        unit="octaves (factors of 2)",
    )
    max_octaves_of_gradient: float = limit(
        10.0,
        "growth of a layer's gradient beyond the network's; gradients are noisier",
        unit="octaves (factors of 2)",
    )
    max_octaves_of_whole: float = limit(
        5.0,
        "growth of all outputs, in the median",
        unit="octaves (factors of 2)",
    )
    max_start: float = limit(
        0.03,
        "size at the first steps of a layer that is judged: one that starts smaller grows on purpose",
        unit="share of the largest output or input",
    )
    min_early_steps: int = limit(
        4, "fewest early steps whose median later ones are compared with", unit="watched steps", at_least=1
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        last = latest(recording)
        if last is None:
            return
        layers = {layer.name: layer for layer in recording.layers if not layer.head}
        outputs = {name: o for name, o in drifts(recording, _output, self.min_early_steps).items() if name in layers}
        gradients = drifts(recording, _gradient, self.min_early_steps)
        found = False
        for what, read, drift, most in (
            ("output", _output, outputs, self.max_octaves),
            ("gradient", _gradient, gradients, self.max_octaves_of_gradient),
        ):
            drift = beyond_the_network(drift)
            awake = self._awake(recording, read)
            off = {name: octaves for name, octaves in drift.items() if octaves > most and name in awake & set(layers)}
            if off and not found:
                found = True
                yield self._drifted(what, off, layers, most, last.index)
        awake = self._awake(recording, _output)
        middle = median([octaves for name, octaves in outputs.items() if name in awake] or [0.0])
        if not found and middle > self.max_octaves_of_whole:
            yield self._grown(middle, last.index)

    def _awake(self, recording: Recording, read: Reading) -> set[str]:
        """Layers whose output, or gradient, was of some size from the start."""
        early = baseline(recording, self.min_early_steps)
        sizes = {m.layer: read(m) or 0.0 for m in early[0].layers} if early else {}
        largest = max([*sizes.values(), signal_path.input_rms(recording) if read is _output else 0.0])
        return {name for name, size in sizes.items() if size > self.max_start * largest}

    def _drifted(
        self, what: str, off: Mapping[str, float], layers: Mapping[str, Layer], limit: float, index: int
    ) -> Finding:
        worst = sorted((layers[name] for name in off), key=lambda layer: -off[layer.name])
        octaves = off[worst[0].name]
        return self.finding(
            worst,
            f"{span(worst)}: the {what} has grown {times(2**octaves)} beyond the other layers' since the first steps "
            f"(limit {times(2**limit)})",
            measured=2**octaves,
            limit=2**limit,
            step=index,
            cause=f"{called(worst[0])} drifts away from the network around it",
            fix=LOWER_RATE,
        )

    def _grown(self, octaves: float, index: int) -> Finding:
        return self.finding(
            [],
            f"the outputs of the layers have grown {times(2**octaves)} in the median since the first steps "
            f"(limit {times(2**self.max_octaves_of_whole)})",
            measured=2**octaves,
            limit=2**self.max_octaves_of_whole,
            step=index,
            cause="the network drifts as a whole: nothing holds its scale",
            fix=LOWER_RATE,
        )


def _output(m: Measurement) -> float | None:
    return m.output.rms if m.output is not None and m.output.non_finite == 0 else None


def _gradient(m: Measurement) -> float | None:
    return m.gradient.norm if m.gradient is not None and m.gradient.non_finite == 0 else None
