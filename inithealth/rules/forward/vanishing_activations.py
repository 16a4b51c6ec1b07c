from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import gain_causes, signal_path
from inithealth.evidence.facts import with_limits
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit


class VanishingActivations(signal_path.LevelLimits, gain_causes.GainLimits, Rule):
    """The signal fades with depth until the network sees all inputs alike.

    ## What it checks
    In networks without normalization, the lowest activation rms on the way that no skip gets round,
    relative to the input; in all, the share of the head's input that differs from sample to sample.

    ## Why it matters
    What does not reach the head cannot be learned from: the loss stays where guessing puts it.

    ## How to fix
    Initialize with the gain of the activation (He for ReLU), or normalize.

    ## When to ignore
    When all samples of the batch are the same.

    ## References
    Schoenholz et al., Deep Information Propagation, https://arxiv.org/abs/1611.01232
    """

    code = "IH201"
    name = "vanishing-activations"
    severity = Severity.WARNING
    rank = 40
    explains = frozenset("IH207 IH301 IH304 IH402 IH406 IH408".split())
    low_rms: float = limit(
        2.0**-7,
        "smallest output without normalization; a published network of 8 layers comes down to 2^-6 and trains",
        unit="rms, relative to an input below 1",
    )
    lowest_rms: float = limit(
        2.0**-10,
        "output below which it is an error: none trained without normalization",
        unit="rms, relative to an input below 1",
    )
    min_passing: float = limit(
        1e-2,
        "gradient at the first layers beyond which samples that look alike are intentional: a signal that "
        "fades takes the gradient along",
        unit="ratio to the last layers' gradient",
    )
    min_passing_faded: float = limit(
        1e-3,
        "gradient at the first layers beyond which a faded signal is no error: one layer at 1/100 fades the "
        "signal no less, and trains",
        unit="ratio to the last layers' gradient",
    )
    min_between: float = limit(
        4e-5,
        "share of the head's input that differs between samples; 8e-5 is the least of 480 healthy networks",
        unit="share of the mean square",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        recording = with_limits(recording, [self])
        faded = None if recording.normalized else signal_path.smallest_output(recording)
        exempt = recording.layer_scale or self._gradient_passes(recording, self.min_passing)
        alike = None if exempt else self._alike(recording)
        if faded is not None and faded[1] < self.low_rms:
            passes = self._gradient_passes(recording, self.min_passing_faded)
            bad = alike is not None or (faded[1] < self.lowest_rms and not passes)
            yield self._finding(recording, _fading(recording, *faded), faded[1], self.low_rms, bad)
        elif alike is not None:
            layer, share = alike
            message = f"{called(layer)} sees all inputs alike: {number(share)} of what it sees differs between samples"
            yield self._finding(recording, message, share, self.min_between, True)

    def _finding(self, recording: Recording, message: str, measured: float, limit: float, bad: bool) -> Finding:
        way = [layer for layer, _ in signal_path.trunk(recording) if not layer.head and layer.kind != "embedding"]
        causes = gain_causes.weakest(way, self)
        return self.finding(
            causes,
            f"{message} (limit {number(limit)})",
            severity=Severity.ERROR if bad else Severity.WARNING,
            measured=measured,
            limit=limit,
            cause=gain_causes.explain(causes, self),
            fix=gain_causes.fix(causes),
        )

    @staticmethod
    def _gradient_passes(recording: Recording, least: float) -> bool:
        """Whether the gradient comes back: then what looks alike was made so on purpose, as by a codebook."""
        found = signal_path.gradient_fade(recording)
        return found is not None and found[1] > least

    def _alike(self, recording: Recording) -> tuple[Layer, float] | None:
        """The head to which all samples look the same, and the share of its input that differs between them."""
        for layer, m in signal_path.measured(recording):
            between = m.input.between if layer.head and m.input is not None and m.input.rms > 0 else None
            if between is not None and between < self.min_between:
                return layer, between
        return None


def _fading(recording: Recording, at: Layer, share: float) -> str:
    scale = min(1.0, signal_path.input_rms(recording))
    if scale == 1.0:
        return f"activations fade to rms {number(share)} at {called(at)}"
    return f"activations fade to {number(share)} of the input's rms ({number(scale)}) at {called(at)}"
