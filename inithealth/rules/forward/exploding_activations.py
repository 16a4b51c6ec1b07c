from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import gain_causes, signal_path
from inithealth.evidence.loss_heads import LARGE_HEAD, variant_of
from inithealth.evidence.losses import predicts_well
from inithealth.evidence.symptoms import OutputLimits
from inithealth.evidence.wording import called, number
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class ExplodingActivations(OutputLimits, gain_causes.GainLimits, Rule):
    """Activations grow with depth.

    ## What it checks
    The largest activation rms, relative to the input's rms if that is above 1.

    ## Why it matters
    Large activations cause a large loss and large gradients, and the first optimizer step destroys the
    initialization. In half precision they overflow.

    ## How to fix
    Initialize with the gain of the activation, scale residual branches down with depth, or add
    normalization.

    ## When to ignore
    If a normalization right after the layer removes the scale. A network that already classifies well is
    not reported.

    ## References
    He et al. 2015, https://arxiv.org/abs/1502.01852; Zhang et al., Fixup, https://arxiv.org/abs/1901.09321
    """

    code = "IH202"
    name = "exploding-activations"
    severity = Severity.WARNING
    rank = Stage.EXPLODING_ACTIVATIONS
    explains = frozenset("IH203 IH205 IH207 IH208 IH209 IH301 IH302 IH303 IH402 IH403 IH404 IH405 IH406".split())
    highest_rms: float = limit(
        300.0,
        "output without normalization beyond which it is an error: no such network trained",
        unit="rms, relative to an input above 1",
    )
    highest_rms_normalized: float = limit(
        1e4,
        "output with normalization beyond which it is an error: float16 overflows at 6.5e4; networks with three "
        "layers scaled by 100 (rms 2e3) still trained",
        unit="rms, relative to an input above 1",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = signal_path.largest_output(recording)
        high, highest = (
            (self.high_rms_normalized, self.highest_rms_normalized)
            if recording.normalized
            else (self.high_rms, self.highest_rms)
        )
        if found is None or found[1] <= high or predicts_well(recording):
            return
        at, rms = found
        measured = signal_path.measured(recording)
        layers = [layer for layer, _ in measured]
        # Whether the signal is largest at the head or just before it is chance, unless the head alone amplifies it.
        alone = not any(layer.inner and m.output and m.output.rms > high for layer, m in measured)
        alone = alone and variant_of(recording, [at]) == LARGE_HEAD
        path = [layer for layer in layers if layer.index <= at.index and layer.inner and not alone] or [at]
        causes = gain_causes.strongest(layers, path, self)
        yield self.finding(
            causes,
            f"{_growth(recording, at, rms)} (limit {number(high)})",
            severity=Severity.ERROR if rms > highest else Severity.WARNING,
            measured=rms,
            limit=high,
            cause=gain_causes.explain(causes, self),
            fix=gain_causes.fix(causes),
        )


def _growth(recording: Recording, at: Layer, rms: float) -> str:
    scale = max(1.0, signal_path.input_rms(recording))
    if scale == 1.0:
        return f"activations grow to rms {number(rms)} at {called(at)}"
    return f"activations grow to {number(rms)} times the input's rms ({number(scale)}) at {called(at)}"
