from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median
from typing import ClassVar

from inithealth.evidence import fixes, symptoms
from inithealth.evidence.facts import with_limits
from inithealth.evidence.global_scale import GlobalLimits, off_as_a_whole
from inithealth.evidence.roles import grouped, scale_role
from inithealth.evidence.scale_harm import HarmLimits, loses_signal, ruins_training, silences_branches
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.vector_scale import Off, VectorLimits, embeddings_off, norms_off
from inithealth.evidence.wording import called, number, span, times
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit
from inithealth.theory.gains import has_gain, octaves_off, recipe_gains, wanted_gain

_SMALL = frozenset("IH201 IH206 IH207 IH301 IH304 IH402 IH406".split())  # what follows from weights that are too small
_LARGE = frozenset(
    "IH108 IH202 IH203 IH204 IH205 IH207 IH208 IH209 IH301 IH302 IH303 IH305 IH402 IH403 IH404 IH405 IH406".split()
)


class WeightScale(HarmLimits, VectorLimits, GlobalLimits, symptoms.FadingLimits, Rule):
    """A layer's weights are much larger or smaller than those of layers like it.

    ## What it checks
    The weight gain, rms(W) sqrt(fan_in), against that of the layers with the same role (type, shape,
    name without numbers, what the output feeds); where fewer than three share a role, or all of them
    are off and the signal suffers, against every initialization in common use. Normalization weights
    and embeddings are compared by their rms.

    ## Why it matters
    Each layer multiplies the signal by its gain, and the gradient on the way back. One layer that is
    100 times too small takes a factor 100 from every gradient before it.

    ## How to fix
    Initialize the named layer like its peers, as its activation wants.

    ## When to ignore
    For scales chosen on purpose: a small last layer, depth-scaled residual branches.

    ## References
    Glorot and Bengio 2010; He et al. 2015, https://arxiv.org/abs/1502.01852
    """

    code = "IH106"
    name = "weight-scale"
    severity = Severity.WARNING
    rank: ClassVar[int] = 30
    max_octaves: float = limit(
        1.5,
        "distance from the layers of the same role (a factor of 2.8): 1 to 2.5 hardly differ on networks "
        "labelled by training",
        unit="octaves (factors of 2)",
    )
    max_octaves_alone: float = limit(
        3.0,
        "distance from every common initialization, of a layer without peers in a network without a symptom: "
        "published ones go up to 2.5",
        unit="octaves (factors of 2)",
    )
    min_peers: int = limit(
        3,
        "fewest layers of one role that are compared with each other",
        unit="layers",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        recording = with_limits(recording, [self])
        suffers = symptoms.shows(recording)
        trained = trained_layers(recording)  # a training has set their scale, whatever recipes say
        drawn = [layer for layer in recording.layers if layer.name not in trained]
        fresh = recording.model_copy(update={"layers": tuple(drawn)}) if trained else recording
        outliers = {
            **self._off_peers(fresh, suffers or symptoms.strained(recording)),
            **self._as_a_whole(fresh),
            **embeddings_off(fresh, self),
            **norms_off(fresh, self),
        }
        by_name = {layer.name: layer for layer in recording.layers}
        for sign in (1, -1):
            names = [name for name, off in outliers.items() if off.octaves * sign > 0]
            if names:
                names.sort(key=lambda name: (-round(abs(outliers[name].octaves)), by_name[name].index))
                yield self._group([by_name[name] for name in names], outliers[names[0]], recording, suffers)

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        return symptom.code in (_LARGE if (cause.measured or 0.0) > (cause.limit or 0.0) else _SMALL)

    def _group(self, layers: list[Layer], worst: Off, recording: Recording, suffers: bool) -> Finding:
        rms = layers[0].weight.rms if layers[0].weight else math.nan
        size, sign = ("large", 1) if worst.octaves > 0 else ("small", -1)
        usual = rms / 2**worst.octaves
        limit = usual * 2 ** (sign * worst.tolerated)
        most, which = ("up to ", f"{called(layers[0])} has ") if len(layers) > 1 else ("", "")
        bad = suffers and (sign > 0 or loses_signal(layers, worst.octaves, self))
        bad = bad or (sign < 0 and silences_branches(layers, recording, self))
        bad = bad or (worst.whole and ruins_training(worst.octaves, recording, self))
        return self.finding(
            layers,
            f"{span(layers)}: weights {most}{times(2 ** abs(worst.octaves))} too {size} "
            f"({which}rms {number(rms)}; {worst.usual} {number(usual)}, limit {number(limit)})",
            severity=Severity.ERROR if bad else self.severity,
            measured=rms,
            limit=limit,
            cause=_effect(layers[0]),
            fix=fixes.each(layers),
        )

    def _off_peers(self, recording: Recording, suffers: bool) -> dict[str, Off]:
        used = [layer for layer in recording.layers if layer.reaches_loss or not recording.graph]
        judged = [layer for layer in used if layer.kind in MATRICES and _gain(layer) > 0]
        found: dict[str, Off] = {}
        for group in grouped(judged, scale_role):
            middle = median(_gain(layer) for layer in group)
            # Where most of the peers are wrong and the signal suffers, they are no measure of the others.
            lost = suffers and abs(_off_recipes(group[0], middle)) > self.max_octaves
            for layer in group:
                octaves = math.log2(_gain(layer) / middle)
                tolerated = max(self.max_octaves, _chance(layer))
                if len(group) >= self.min_peers and not lost and abs(octaves) > tolerated:
                    peers = f"the median of its {len(group) - 1} peers is"
                    found[layer.name] = Off(octaves, tolerated, peers)
                elif suffers or (len(group) < self.min_peers and not layer.normed):
                    tolerated = self.max_octaves if suffers else self.max_octaves_alone
                    octaves = self._off_usual(layer, recording)
                    # Small weights that nothing suffers from may be meant: an output that starts near zero.
                    if abs(octaves) > tolerated and (suffers or octaves > 0):
                        common = f"common initializations go {'up' if octaves > 0 else 'down'} to"
                        found[layer.name] = Off(octaves, tolerated, common)
        return found

    def _as_a_whole(self, recording: Recording) -> dict[str, Off]:
        """A whole network that no scheme explains, whatever its layers are to each other."""
        off = off_as_a_whole(recording.layers, self)
        usual = {sign: f"nearly all layers are off, common initializations go {sign} to" for sign in ("up", "down")}
        return {name: Off(o, self.octaves_of_whole, usual["up" if o > 0 else "down"], True) for name, o in off.items()}

    def _off_usual(self, layer: Layer, recording: Recording) -> float:
        """Octaves from the nearest recipe; heads and branch ends only where they are large and the logits wide.

        What is added to another signal may start as small as one likes: zero is a good start for it.
        """
        off = _off_recipes(layer, _gain(layer))
        if layer.head or layer.ends_branch:
            return off if off > 0 and symptoms.wide_logits(recording) else 0.0
        return 0.0 if off < 0 and layer.bypassable else off


def _gain(layer: Layer) -> float:
    return layer.gain if layer.gain is not None and math.isfinite(layer.gain) else 0.0


def _chance(layer: Layer) -> float:
    """Octaves by which the rms of so few random numbers is off in one draw of ten thousand."""
    return math.log2(1e4) / (math.prod(layer.shape) or 1)


def _off_recipes(layer: Layer, gain: float) -> float:
    """Octaves by which a gain lies outside the initializations in common use for such a layer."""
    return 0.0 if layer.weight is None else octaves_off(gain, recipe_gains(layer, layer.weight))


def _effect(layer: Layer) -> str:
    gain = _gain(layer)
    if layer.kind == "norm":
        return "a norm's weight is the size of what it puts out"
    if layer.kind == "embedding" or not gain:
        return "what an embedding puts out is as large as its weight"
    wants = f"where {layer.activation} wants {number(wanted_gain(layer))}" if has_gain(layer) else "where 1 keeps it"
    return f"{called(layer)} multiplies the signal by about {number(gain)} {wants}, and the gradient likewise"
