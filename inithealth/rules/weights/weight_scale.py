from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median
from typing import ClassVar, NamedTuple

from inithealth.evidence import fixes, signal_path
from inithealth.evidence.global_scale import off_as_a_whole
from inithealth.evidence.roles import grouped, scale_role
from inithealth.evidence.trained import trained_layers
from inithealth.evidence.wording import called, number, span, times
from inithealth.findings import Finding, Severity
from inithealth.layer_kinds import MATRICES, PROJECTIONS
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule
from inithealth.theory.gains import octaves_off, recipe_gains, wanted_gain

_SMALL = frozenset("IH201 IH206 IH207 IH301 IH304 IH402 IH406".split())  # what follows from weights that are too small
_EPSILON = 0.004  # below it the 1e-5 that norms add to a variance is two fifths of what they divide by
_LARGE = frozenset(
    "IH108 IH202 IH203 IH204 IH205 IH207 IH208 IH209 IH301 IH302 IH303 IH305 IH402 IH403 IH404 IH405 IH406".split()
)


class _Off(NamedTuple):
    """How far a weight is off."""

    octaves: float  # log2 of its rms over the usual one
    tolerated: float  # octaves that are not worth a word
    usual: str  # the usual one in words: "the median of its 8 peers is"
    whole: bool = False  # the network as a whole is off


class WeightScale(Rule):
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
    max_octaves: float = 1.5  # factor 2.8 from its peers; 1 to 2.5 hardly differ on nets labelled by training
    # Beyond every recipe, by a layer without peers in a network without a symptom: published ones go up to 2.5.
    max_octaves_alone: float = 3.0
    # In all, over the layers on the way; one layer at 1/100 (6.6) slowed at most, three (20) failed where it mattered.
    max_octaves_lost: float = 10.0
    octaves_of_whole: float = 1.0  # of nearly all layers beyond every scheme; none of 358 healthy nets is so far off
    max_octaves_of_whole: float = 4.0  # a whole network 8 times off was slowed at most, 20 to 100 times off failed
    # N(0, 1), 20 times off, trained right before norms; 100 times off slowed or failed.
    max_octaves_before_norms: float = 5.0
    min_share_of_whole: float = 0.8  # of the layers, off in one direction: the network as a whole was scaled
    min_peers: int = 3  # fewer layers of one role say little of each other
    max_embedding_rms: float = 4.0  # torch's default is 1
    max_tied_rms: float = 0.3  # of an embedding that is the head too: logits grow with it
    max_norm_octaves: float = 2.0  # a norm weight 4 times off the others
    # Beyond these the norms are all off: of 491 networks one starts at .14 by right, the bug that shipped at .02.
    min_norm_median: float = 0.05
    max_norm_median: float = 8.0

    def check(self, recording: Recording) -> Iterator[Finding]:
        suffers = signal_path.shows(recording)
        trained = trained_layers(recording)  # a training has set their scale, whatever recipes say
        drawn = [layer for layer in recording.layers if layer.name not in trained]
        fresh = recording.model_copy(update={"layers": tuple(drawn)}) if trained else recording
        outliers = {
            **self._off_peers(fresh, suffers or signal_path.strained(recording)),
            **self._as_a_whole(fresh),
            **self._embeddings(fresh),
            **self._norms(fresh),
        }
        by_name = {layer.name: layer for layer in recording.layers}
        for sign in (1, -1):
            names = [name for name, off in outliers.items() if off.octaves * sign > 0]
            if names:
                names.sort(key=lambda name: (-round(abs(outliers[name].octaves)), by_name[name].index))
                yield self._group([by_name[name] for name in names], outliers[names[0]], recording, suffers)

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        return symptom.code in (_LARGE if (cause.measured or 0.0) > (cause.limit or 0.0) else _SMALL)

    def _group(self, layers: list[Layer], worst: _Off, recording: Recording, suffers: bool) -> Finding:
        rms = layers[0].weight.rms if layers[0].weight else math.nan
        size, sign = ("large", 1) if worst.octaves > 0 else ("small", -1)
        usual = rms / 2**worst.octaves
        limit = usual * 2 ** (sign * worst.tolerated)
        most, which = ("up to ", f"{called(layers[0])} has ") if len(layers) > 1 else ("", "")
        bad = suffers and (sign > 0 or self._lost(layers, abs(worst.octaves)))
        bad = bad or _silenced(layers, worst, recording)
        bad = bad or (worst.whole and self._ruinous(worst.octaves, recording))
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

    def _ruinous(self, octaves: float, recording: Recording) -> bool:
        """Whether a network that is off as a whole does not learn.

        Right before a norm small weights turn faster and right themselves; large ones turn slower by their square.
        """
        if _held_by_norms(recording):
            return octaves > self.max_octaves_before_norms or (octaves > 0 and signal_path.strained(recording))
        return abs(octaves) > self.max_octaves_of_whole or signal_path.strained(recording)

    def _lost(self, layers: list[Layer], octaves: float) -> bool:
        """Whether weights that are too small take more of the signal than training gives back."""
        return octaves * sum(not layer.bypassable for layer in layers) > self.max_octaves_lost

    def _off_peers(self, recording: Recording, suffers: bool) -> dict[str, _Off]:
        used = [layer for layer in recording.layers if layer.reaches_loss or not recording.graph]
        judged = [layer for layer in used if layer.kind in MATRICES and _gain(layer) > 0]
        found: dict[str, _Off] = {}
        for group in grouped(judged, scale_role):
            middle = median(_gain(layer) for layer in group)
            # Where most of the peers are wrong and the signal suffers, they are no measure of the others.
            lost = suffers and abs(_off_recipes(group[0], middle)) > self.max_octaves
            for layer in group:
                octaves = math.log2(_gain(layer) / middle)
                tolerated = max(self.max_octaves, _chance(layer))
                if len(group) >= self.min_peers and not lost and abs(octaves) > tolerated:
                    peers = f"the median of its {len(group) - 1} peers is"
                    found[layer.name] = _Off(octaves, tolerated, peers)
                elif suffers or (len(group) < self.min_peers and not layer.normed):
                    tolerated = self.max_octaves if suffers else self.max_octaves_alone
                    octaves = self._off_usual(layer, recording)
                    # Small weights that nothing suffers from may be meant: an output that starts near zero.
                    if abs(octaves) > tolerated and (suffers or octaves > 0):
                        common = f"common initializations go {'up' if octaves > 0 else 'down'} to"
                        found[layer.name] = _Off(octaves, tolerated, common)
        return found

    def _as_a_whole(self, recording: Recording) -> dict[str, _Off]:
        """A whole network that no scheme explains, whatever its layers are to each other."""
        off = off_as_a_whole(recording.layers, self.octaves_of_whole, self.min_share_of_whole)
        usual = {sign: f"nearly all layers are off, common initializations go {sign} to" for sign in ("up", "down")}
        return {name: _Off(o, self.octaves_of_whole, usual["up" if o > 0 else "down"], True) for name, o in off.items()}

    def _off_usual(self, layer: Layer, recording: Recording) -> float:
        """Octaves from the nearest recipe; heads and branch ends only where they are large and the logits wide.

        What is added to another signal may start as small as one likes: zero is a good start for it.
        """
        off = _off_recipes(layer, _gain(layer))
        if layer.head or layer.ends_branch:
            return off if off > 0 and signal_path.wide_logits(recording) else 0.0
        return 0.0 if off < 0 and layer.bypassable else off

    def _embeddings(self, recording: Recording) -> dict[str, _Off]:
        found = {}
        for layer in recording.layers:
            if layer.kind == "embedding" and layer.weight is not None and layer.weight.rms > 0:
                tied = bool(layer.weight.tied_to) and signal_path.wide_logits(recording)
                limit, usual = (self.max_tied_rms, 0.02) if tied else (self.max_embedding_rms, 1.0)
                where = "embeddings that are the head too have" if tied else "embeddings usually have"
                if layer.weight.rms > limit:
                    found[layer.name] = _Off(math.log2(layer.weight.rms / usual), math.log2(limit / usual), where)
        return found

    def _norms(self, recording: Recording) -> dict[str, _Off]:
        """Norm weights far from the others', or all of them far from 1; zeros are judged on probation."""
        rms = {layer.name: layer.weight.rms for layer in _norms(recording) if layer.weight and layer.weight.rms > 0}
        if not rms:
            return {}
        middle, usual = median(rms.values()), "the median of the norms is"
        if not self.min_norm_median <= middle <= self.max_norm_median:  # all scaled: they are no measure of each other
            middle, usual = 1.0, "norms start with"
        off = {name: math.log2(value / middle) for name, value in rms.items()}
        return {
            name: _Off(octaves, self.max_norm_octaves, usual)
            for name, octaves in off.items()
            if abs(octaves) > self.max_norm_octaves
        }


def _gain(layer: Layer) -> float:
    gain = layer.weight.gain if layer.weight is not None else None
    return gain if gain is not None and math.isfinite(gain) else 0.0


def _chance(layer: Layer) -> float:
    """Octaves by which the rms of so few random numbers is off in one draw of ten thousand."""
    return math.log2(1e4) / (math.prod(layer.weight.shape) or 1) if layer.weight is not None else 0.0


def _off_recipes(layer: Layer, gain: float) -> float:
    """Octaves by which a gain lies outside the initializations in common use for such a layer."""
    return 0.0 if layer.weight is None else octaves_off(gain, recipe_gains(layer, layer.weight))


def _effect(layer: Layer) -> str:
    gain = _gain(layer)
    if layer.kind == "norm":
        return "a norm's weight is the size of what it puts out"
    if layer.kind == "embedding" or not gain:
        return "what an embedding puts out is as large as its weight"
    wants = f"where {layer.activation} wants {number(wanted_gain(layer))}" if layer.activation else "where 1 keeps it"
    return f"{called(layer)} multiplies the signal by about {number(gain)} {wants}, and the gradient likewise"


def _norms(recording: Recording) -> list[Layer]:
    return [layer for layer in recording.layers if layer.kind == "norm"]


def _silenced(layers: list[Layer], worst: _Off, recording: Recording) -> bool:
    """All norm weights near zero, and most of what comes behind is not normed again: every branch is silent."""
    norms = _norms(recording)
    silent = worst.octaves < 0 and bool(norms) and all(norm in layers for norm in norms)
    return silent and not _held_by_norms(recording)


def _held_by_norms(recording: Recording) -> bool:
    """Whether most layers stand right before a norm, which takes away their scale and that of the norm before them."""
    drawn = [layer for layer in recording.layers if layer.kind in PROJECTIONS and layer.reaches_loss and not layer.head]
    outputs = {name: m.output for name, m in recording.first.items() if m.output is not None}
    held = [each for each in drawn if each.normed and (each.name not in outputs or outputs[each.name].rms > _EPSILON)]
    return bool(drawn) and len(held) >= len(drawn) / 2
