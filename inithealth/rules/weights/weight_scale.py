from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from inithealth.evidence import fixes, forward_writes, symptoms
from inithealth.evidence.facts import with_limits
from inithealth.evidence.first_step_change import FirstStepLimits, octaves_from_target, unstable_layers
from inithealth.evidence.global_scale import GlobalLimits, global_offsets, with_the_rest
from inithealth.evidence.peer_scale import PeerLimits, gain_of, layer_deviations
from inithealth.evidence.prognosis import Prognosis, prognosis
from inithealth.evidence.scale_harm import HarmLimits
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.vector_scale import (
    Deviation,
    VectorLimits,
    embedding_deviations,
    frequency_deviations,
    norm_deviations,
)
from inithealth.evidence.wording import called, number, span, times
from inithealth.findings import Finding, Severity
from inithealth.powers import MOST_OCTAVES, factor_of
from inithealth.recording import Layer, Recording, weighted
from inithealth.rules.causality import Stage
from inithealth.rules.generated_scale import GeneratedScale
from inithealth.theory.gains import has_gain, sets_frequencies, target_gain

_SMALL = frozenset("IH201 IH206 IH207 IH301 IH304 IH402 IH406".split())  # consequences of weights that are too small
_LARGE = frozenset(
    "IH108 IH202 IH203 IH204 IH205 IH207 IH208 IH209 IH301 IH302 IH303 IH305 IH402 IH403 IH404 IH405 IH406".split()
)


class WeightScale(
    HarmLimits,
    PeerLimits,
    VectorLimits,
    forward_writes.WriteLimits,
    GlobalLimits,
    FirstStepLimits,
    symptoms.FadingLimits,
    GeneratedScale,
):
    """A layer's weights are much larger or smaller than those of its peers.

    ## What it checks
    The weight gain, rms(W) sqrt(fan_in), relative to that of the layer's peers: layers with the same type,
    shape, name (without numbers) and use of the output. If there are fewer than three such layers, or if
    all of them are outside the expected range and the network has a symptom of a wrong scale, the gain is
    compared with all common initializations. Normalization weights and embeddings are compared by rms.
    The first layer of a sine network (SIREN) is judged by the phase between neighboring samples. Layers
    whose output is the weight of another layer (hypernetworks) are judged by the gain of that weight.

    ## Why it matters
    Each layer multiplies the signal by its gain, and the gradient in the backward pass. If the weights of
    one layer are 100 times too small, the gradients of all upstream layers are 100 times too small.

    ## How to fix
    Initialize the named layer like its peers, with the gain of its activation. In a hypernetwork, scale the
    last layer such that each generated weight has a std of gain / sqrt(fan_in).

    ## When to ignore
    For intentional scales, such as a small last layer or depth-scaled residual branches.

    ## References
    Glorot and Bengio 2010; He et al. 2015, https://arxiv.org/abs/1502.01852; Sitzmann et al. 2020,
    https://arxiv.org/abs/2006.09661; Chang et al. 2020, https://openreview.net/forum?id=H1lma24tPB
    """

    code = "IH106"
    name = "weight-scale"
    severity = Severity.WARNING
    rank = Stage.WEIGHT_SCALE

    def check(self, recording: Recording) -> Iterator[Finding]:
        recording = with_limits(recording, [self])
        outlook = prognosis(recording)
        trained = trained_layers(recording)  # training has set their scale, so initialization schemes do not apply
        # Layers whose output is a weight are judged by that weight.
        untrained = [layer for layer in recording.layers if layer.name not in trained and layer.steers != "weight"]
        partial = len(untrained) < len(recording.layers)
        fresh = recording.model_copy(update={"layers": tuple(untrained)}) if partial else recording
        outliers = {
            **layer_deviations(fresh, outlook.symptom or outlook.symptom_with_norms, self),
            **self._network_deviation(fresh),
            **self._unstable_deviation(fresh),
            **embedding_deviations(fresh, self),
            **norm_deviations(fresh, self),
            **frequency_deviations(fresh, self),
        }
        by_name = {layer.name: layer for layer in recording.layers}
        for sign in (1, -1):
            names = [name for name, deviation in outliers.items() if deviation.octaves * sign > 0]
            if names:
                names.sort(
                    key=lambda name: (-round(min(MOST_OCTAVES, abs(outliers[name].octaves))), by_name[name].index)
                )
                yield self._group([by_name[name] for name in names], outliers, fresh, outlook)
        yield from self.generated_scale(recording)
        amplified = forward_writes.amplified(recording, self)
        if amplified:
            yield self._amplified(amplified)

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        return symptom.code in (_SMALL if cause.variant == "small" else _LARGE)

    def _group(
        self, layers: list[Layer], outliers: dict[str, Deviation], recording: Recording, outlook: Prognosis
    ) -> Finding:
        worst = outliers[layers[0].name]
        weight = layers[0].weight
        rms = weight.rms if weight else math.nan
        by = forward_writes.written(recording, layers[0], weight) if weight else None
        size, sign = ("large", 1) if worst.octaves > 0 else ("small", -1)
        usual = rms / factor_of(worst.octaves)
        limit = usual * factor_of(sign * worst.tolerated)
        fixed = with_the_rest(recording.layers, layers, self)
        most, which = ("up to ", f"{called(layers[0])} has ") if len(layers) > 1 else ("", "")
        return self.finding(
            layers,
            f"{span(layers)}: weights {most}{times(factor_of(abs(worst.octaves)))} too {size} "
            f"({which}rms {number(rms)}; {worst.usual} {number(usual)}, limit {number(limit)})",
            severity=_severity(layers, outliers, outlook),
            measured=rms,
            limit=limit,
            variant=size,
            cause=_effect(layers[0], worst) if by is None else forward_writes.why(by),
            fix=fixes.each(fixed, expected=_usual_sizes(layers, outliers)) if by is None else forward_writes.fix(by),
        )

    def _amplified(self, found: list[tuple[Layer, forward_writes.Written]]) -> Finding:
        """Return the finding on channels without variance that the forward pass amplifies."""
        layers, first = [layer for layer, _ in found], found[0][1]
        return self.finding(
            layers,
            f"{span(layers)}: the forward pass sets a factor {times(first.how.contrast or 0.0)} the median of the "
            f"other channels (limit {times(self.max_contrast)})",
            # Training changes what layers compute: the first such change is amplified.
            severity=Severity.ERROR if any(each.how.source == "layers" for _, each in found) else self.severity,
            measured=first.how.contrast,
            limit=self.max_contrast,
            variant="large",
            cause=forward_writes.why(first),
            fix=forward_writes.fix(first),
        )

    def _network_deviation(self, recording: Recording) -> dict[str, Deviation]:
        """Return by how much nearly all layers deviate from common initializations, if in one direction."""
        offsets = global_offsets(recording.layers, self)
        gains = [octaves_from_target(layer) for layer in recording.layers if layer.name in offsets]
        found = {}
        for name, octaves in offsets.items():
            usual = f"nearly all layers deviate, common initializations go {'up' if octaves > 0 else 'down'} to"
            found[name] = Deviation(octaves, self.octaves_of_whole, usual, whole=True, by_gain=median(gains))
        return found

    def _unstable_deviation(self, recording: Recording) -> dict[str, Deviation]:
        """Return by how much small weights deviate, if the first step would change them by a large factor."""
        layers, total = unstable_layers(recording, self)
        found = {layer.name: octaves_from_target(layer) for layer in layers}
        small = {name: octaves for name, octaves in found.items() if octaves < -self.max_octaves}
        if len(small) < self.min_share_of_whole * len(found):
            return {}
        usual = f"the first step changes the weights by {total:.0%} in total; the expected gain gives"
        return {name: Deviation(octaves, self.max_octaves, usual, unstable=True) for name, octaves in small.items()}


def _severity(layers: list[Layer], outliers: dict[str, Deviation], outlook: Prognosis) -> Severity:
    """Return the severity of the largest deviation, or of that of the whole network if it is higher."""
    deviations = [outliers[layer.name] for layer in layers]
    whole = [each for each in deviations if each.whole][:1]
    return max(outlook.severity_of_scale(layers, each) for each in (deviations[0], *whole))


def _usual_sizes(layers: list[Layer], outliers: dict[str, Deviation]) -> dict[str, float]:
    """Return the rms that weights are expected to have, by layer, where this network shows it: that of their peers."""
    return {
        layer.name: weight.rms / factor_of(outliers[layer.name].octaves)
        for layer, weight in weighted(layers)
        if outliers[layer.name].restored
    }


def _effect(layer: Layer, worst: Deviation) -> str:
    gain = gain_of(layer)
    if layer.kind == "norm":
        return "a normalization weight sets the scale of its layer's output"
    if sets_frequencies(layer):
        return "the weights set the frequencies of the sine; between neighboring samples it passes through whole turns"
    if layer.kind == "embedding" or not gain:
        return "an embedding's output has the scale of its weight"
    multiplies = f"{called(layer)} multiplies the signal and the gradient by about {number(gain)}"
    if worst.restored:
        return f"{multiplies}; its peers by about {number(gain / factor_of(worst.octaves))}"
    after = f" for {layer.activation}" if has_gain(layer) else ""
    expected = f"the expected gain{after} is {number(target_gain(layer) if after else 1.0)}"
    return f"{multiplies}; {expected}"
