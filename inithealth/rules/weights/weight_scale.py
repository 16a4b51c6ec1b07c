from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterator
from statistics import median
from typing import ClassVar

from inithealth import levels, remedy
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, span
from inithealth.theory import octaves_off, recipe_gains, wanted_gain, wanted_std


class WeightScale(Rule):
    """A layer's weights are much larger or smaller than its place wants.

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
    min_peers: int = 3  # fewer layers of one role say little of each other
    max_embedding_rms: float = 4.0  # torch's default is 1
    max_tied_rms: float = 0.3  # of an embedding that is the head too: logits grow with it
    max_norm_octaves: float = 2.0  # a norm weight 4 times off the others

    def check(self, recording: Recording) -> Iterator[Finding]:
        outliers = {**self._off_peers(recording), **self._embeddings(recording), **self._norms(recording)}
        by_name = {layer.name: layer for layer in recording.layers}
        for sign in (1, -1):
            names = [name for name, octaves in outliers.items() if octaves * sign > 0]
            if names:
                names.sort(key=lambda name: (-round(abs(outliers[name])), by_name[name].index))
                yield self._group([by_name[name] for name in names], outliers, recording)

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        small = {"IH201", "IH206", "IH301"}
        large = {"IH202", "IH203", "IH204", "IH205", "IH208", "IH209", "IH301", "IH302", "IH303"}
        return symptom.code in (large if (cause.measured or 0.0) > (cause.limit or 0.0) else small)

    def _group(self, layers: list[Layer], octaves: dict[str, float], recording: Recording) -> Finding:
        first, off = layers[0], octaves[layers[0].name]
        size = "larger" if off > 0 else "smaller"
        std = wanted_std(first)
        wants = f"; feeding {first.activation or 'no activation'} it wants std {std:.3g}" if std else ""
        rms = first.weight.rms if first.weight else math.nan
        return self.finding(
            layers,
            f"{span(layers)}: weights {2 ** abs(off):.3g}x {size} than their place wants (rms {rms:.3g}{wants})",
            severity=Severity.ERROR if levels.shows(recording) or self._silenced(layers, recording) else self.severity,
            measured=rms,
            limit=rms / 2**off,
            cause=f"weight rms {rms:.3g} where {rms / 2**off:.3g} is usual",
            fix=remedy.each(layers),
        )

    @staticmethod
    def _silenced(layers: list[Layer], recording: Recording) -> bool:
        """All norm weights near zero: every branch is silent."""
        norms = [layer for layer in recording.layers if layer.kind == "norm"]
        return bool(norms) and len([layer for layer in layers if layer.kind == "norm"]) == len(norms)

    def _off_peers(self, recording: Recording) -> dict[str, float]:
        roles: dict[Hashable, list[Layer]] = defaultdict(list)
        for layer in recording.layers:
            if layer.kind not in ("norm", "scale", "other", "embedding") and _gain(layer) > 0:
                roles[_role(layer)].append(layer)
        found: dict[str, float] = {}
        for group in roles.values():
            middle = median(math.log2(_gain(layer)) for layer in group)
            if len(group) >= self.min_peers:
                found |= {layer.name: math.log2(_gain(layer)) - middle for layer in group}
            inside = [layer for layer in group if abs(found.get(layer.name, 0.0)) <= self.max_octaves]
            found |= {layer.name: self._off_recipes(layer, recording, len(group)) for layer in inside}
        return {name: octaves for name, octaves in found.items() if abs(octaves) > self.max_octaves}

    def _off_recipes(self, layer: Layer, recording: Recording, peers: int) -> float:
        """Octaves from the nearest recipe; whole groups, heads and branch ends only where the signal suffers."""
        if layer.weight is None:
            return 0.0
        off = octaves_off(_gain(layer), recipe_gains(layer, layer.weight))
        if layer.head or layer.ends_branch:
            return off if off > 0 and levels.wide_logits(recording) else 0.0
        return off if peers < self.min_peers or levels.shows(recording) else 0.0

    def _embeddings(self, recording: Recording) -> dict[str, float]:
        found = {}
        for layer in recording.layers:
            if layer.kind == "embedding" and layer.weight is not None and layer.weight.rms > 0:
                tied = bool(layer.weight.tied_to) and levels.wide_logits(recording)
                limit = self.max_tied_rms if tied else self.max_embedding_rms
                if layer.weight.rms > limit:
                    found[layer.name] = math.log2(layer.weight.rms / (0.02 if tied else 1.0))
        return found

    def _norms(self, recording: Recording) -> dict[str, float]:
        """Norm weights far from the others', or all of them far from 1; zeros are judged on probation."""
        rms = {
            layer.name: layer.weight.rms
            for layer in recording.layers
            if layer.kind == "norm" and layer.weight is not None and layer.weight.rms > 0
        }
        if not rms:
            return {}
        middle = median(rms.values())
        if not 0.15 <= middle <= 8.0:  # all scaled: judged against the 1 that every norm starts with
            middle = 1.0
        off = {name: math.log2(value / middle) for name, value in rms.items()}
        return {name: octaves for name, octaves in off.items() if abs(octaves) > self.max_norm_octaves}


def _gain(layer: Layer) -> float:
    gain = layer.weight.gain if layer.weight is not None else None
    return gain if gain is not None and math.isfinite(gain) else 0.0


def _role(layer: Layer) -> Hashable:
    """Layers of one role are initialized alike: same type, shape, place and name but for the numbers."""
    weight = layer.weight
    name = "" if weight is None else re.sub(r"\d+", "", ".".join(weight.name.split(".")[-3:]))
    shape = () if weight is None else weight.shape
    return layer.type_name, name, shape, layer.feeds, layer.ends_branch, round(wanted_gain(layer), 1)
