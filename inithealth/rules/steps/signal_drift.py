from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from inithealth.evidence import signal_path
from inithealth.evidence.drift import Reading, baseline, beyond_the_network, drifts, latest
from inithealth.evidence.fixes import LOWER_RATE
from inithealth.evidence.wording import called, times
from inithealth.findings import Finding, Severity
from inithealth.powers import factor_of
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule, limit, span
from inithealth.rules.causality import Stage


class SignalDrift(Rule):
    """A layer's output or gradient has grown much more during training than that of other layers.

    ## What it checks
    The rms of the output, and the norm of the gradient at the output, at the last recorded step, relative
    to their median in steps 1 to 9 and to the median change of all layers. Across the whole network, only
    outputs are checked: gradients are expected to fall with the loss.

    ## Why it matters
    In a normalized network, a growing layer affects the loss late. The scale of its output shows it earlier.

    ## How to fix
    Lower the learning rate, clip the gradients, or add weight decay or a normalization to the layer.

    ## When to ignore
    For layers that intentionally start near zero and grow.

    ## References
    Dehghani et al., Scaling Vision Transformers to 22 Billion Parameters, section 2 (attention logits that drift).
    """

    code = "IH403"
    name = "signal-drift"
    severity = Severity.WARNING
    rank = Stage.DRIFT
    explains = frozenset("IH203 IH303 IH404 IH405 IH406".split())
    max_octaves: float = limit(
        5.0,
        "largest growth of a layer's output relative to the network's median (a factor of 32); a healthy layer that "
        "starts near zero reaches 4.3",
        unit="octaves (factors of 2)",
    )
    max_octaves_of_gradient: float = limit(
        10.0,
        "largest growth of a layer's gradient relative to the network's median; gradients are noisier than outputs",
        unit="octaves (factors of 2)",
    )
    max_octaves_of_whole: float = limit(
        5.0,
        "largest median growth of all outputs",
        unit="octaves (factors of 2)",
    )
    max_start: float = limit(
        0.03,
        "smallest output or gradient in the first steps of a layer that is checked: a smaller one grows intentionally",
        unit="share of the largest output or input",
    )
    min_early_steps: int = limit(
        4, "fewest early steps for the median that later steps are compared with", unit="recorded steps", at_least=1
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        last = latest(recording)
        if last is None:
            return
        layers = {layer.name: layer for layer in recording.layers if layer.inner}
        outputs = {name: o for name, o in drifts(recording, _output, self.min_early_steps).items() if name in layers}
        gradients = drifts(recording, _gradient, self.min_early_steps)
        found = False
        for what, read, drift, most in (
            ("output", _output, outputs, self.max_octaves),
            ("gradient", _gradient, gradients, self.max_octaves_of_gradient),
        ):
            drift = beyond_the_network(drift)
            checked = self._checked(recording, read) & set(layers)
            grown = {name: octaves for name, octaves in drift.items() if octaves > most and name in checked}
            if grown and not found:
                found = True
                yield self._drifted(what, grown, layers, most, last.index)
        checked = self._checked(recording, _output)
        middle = median([octaves for name, octaves in outputs.items() if name in checked] or [0.0])
        if not found and middle > self.max_octaves_of_whole:
            yield self._grown(middle, last.index)

    def _checked(self, recording: Recording, read: Reading) -> set[str]:
        """Return the layers whose output, or gradient, was not near zero in the first steps."""
        early = baseline(recording, self.min_early_steps)
        sizes = {m.layer: read(m) or 0.0 for m in early[0].layers} if early else {}
        largest = max([*sizes.values(), signal_path.input_rms(recording) if read is _output else 0.0])
        return {name for name, size in sizes.items() if size > self.max_start * largest}

    def _drifted(
        self, what: str, grown: Mapping[str, float], layers: Mapping[str, Layer], limit: float, index: int
    ) -> Finding:
        worst = sorted((layers[name] for name in grown), key=lambda layer: -grown[layer.name])
        octaves = grown[worst[0].name]
        return self.finding(
            worst,
            f"{span(worst)}: the {what} has grown {times(factor_of(octaves))} relative to the other layers since the "
            f"first steps (limit {times(factor_of(limit))})",
            measured=factor_of(octaves),
            limit=factor_of(limit),
            step=index,
            cause=f"the {what} of {called(worst[0])} diverges, while that of most other layers does not",
            fix=LOWER_RATE,
        )

    def _grown(self, octaves: float, index: int) -> Finding:
        return self.finding(
            [],
            f"the layers' outputs have grown {times(factor_of(octaves))} (median) since the first steps "
            f"(limit {times(factor_of(self.max_octaves_of_whole))})",
            measured=factor_of(octaves),
            limit=factor_of(self.max_octaves_of_whole),
            step=index,
            cause="outputs grow across the whole network: no normalization or weight decay limits their scale",
            fix=LOWER_RATE,
        )


def _output(m: Measurement) -> float | None:
    return m.output.rms if m.output is not None and m.output.non_finite == 0 else None


def _gradient(m: Measurement) -> float | None:
    return m.gradient.norm if m.gradient is not None and m.gradient.non_finite == 0 else None
