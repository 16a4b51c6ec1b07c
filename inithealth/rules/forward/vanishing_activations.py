from __future__ import annotations

from collections.abc import Iterator

from inithealth import levels, remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, span
from inithealth.theory import wanted_gain


class VanishingActivations(Rule):
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
    explains = frozenset({"IH301", "IH206", "IH304"})
    low_rms: float = 2.0**-5  # below it a sixth of nets labelled by training was harmed; healthy ones stay above
    lowest_rms: float = 2.0**-10  # below it none trained without normalization
    min_between: float = 1e-9  # share of the head's input that tells samples apart; below fp32's resolution

    def check(self, recording: Recording) -> Iterator[Finding]:
        alike = None if recording.layer_scale else self._alike(recording)
        found = None if recording.normalized else levels.smallest_output(recording)
        if alike is None and (found is None or found[1] >= self.low_rms):
            return
        on_the_way = [layer for layer, _ in levels.trunk(recording) if not layer.head and layer.kind != "embedding"]
        faded = found is not None and found[1] < self.low_rms
        message = (
            f"activations fade to rms {found[1]:.2g} of the input at {found[0].name}"
            if found is not None and faded
            else f"the head sees all inputs alike: {alike:.1e} of its input differs between samples"
        )
        extreme = alike is not None or (found is not None and found[1] < self.lowest_rms)
        yield self.finding(
            weakest(on_the_way) or on_the_way,
            message,
            severity=Severity.ERROR if extreme else Severity.WARNING,
            measured=found[1] if found is not None and faded else alike,
            limit=self.low_rms if faded else self.min_between,
            cause=explain_gain(on_the_way),
            fix=remedy.each(weakest(on_the_way) or on_the_way) if on_the_way else "",
        )

    def _alike(self, recording: Recording) -> float | None:
        """The share of the head's input that differs between samples, where that is nothing."""
        for layer, m in levels.measured(recording):
            if layer.head and m.input is not None and m.input.between is not None and m.input.rms > 0:
                if m.input.between < self.min_between:
                    return m.input.between
        return None


def weakest(layers: list[Layer]) -> list[Layer]:
    """The layers whose gain is below what their activation wants, in order; all where the gains do not tell."""
    weak = [layer for layer in layers if _relative_gain(layer) < 0.95]
    return weak or layers


def strongest(layers: list[Layer]) -> list[Layer]:
    """The layers whose gain is above what their activation wants, in order; all where the gains do not tell."""
    strong = [layer for layer in layers if _relative_gain(layer) > 1.05]
    return strong or layers


def _relative_gain(layer: Layer) -> float:
    gain = layer.weight.gain if layer.weight is not None else None
    return 1.0 if not gain else gain / wanted_gain(layer)


def explain_gain(layers: list[Layer]) -> str:
    """What the weights' gains make of the signal over the depth."""
    gains = [_relative_gain(layer) for layer in layers if layer.weight is not None and layer.weight.gain]
    if not gains:
        return "the signal loses or gains size at every layer"
    middle = sorted(gains)[len(gains) // 2]
    first = next((layer for layer in layers if layer.activation), layers[0])
    return (
        f"the weights of {span(layers)} have {middle:.2g}x the gain that {first.activation or 'a linear layer'} "
        f"keeps the signal with: over {len(gains)} layers a factor {middle ** len(gains):.1e}"
    )
