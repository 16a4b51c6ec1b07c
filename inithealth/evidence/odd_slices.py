"""Single matrices of a stack, such as one expert of many, that are initialized unlike the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from inithealth.evidence.fix_text import Fix, initialize
from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.trained import trained_layers
from inithealth.recording import Layer, Recording


class SliceLimits(Limits):
    """When a matrix of a stack counts as missed by the initialization of the others."""

    max_slice_octaves: float = limit(
        1.5,
        "largest distance of a matrix in a stack, such as one expert, from the median of the stack: the limit that "
        "weight-scale has for separate layers",
        unit="octaves (factors of 2)",
    )
    max_odd_slices: float = limit(
        0.34,
        "largest share of matrices in a stack with another scale: a larger share is intentional",
        unit="share of matrices",
    )


@dataclass(frozen=True)
class OddSlices:
    """A layer, and those of its matrices that have another scale than most."""

    layer: Layer
    places: tuple[int, ...]
    rms: float  # of the first of them
    usual: float  # median of the stack

    @property
    def fix(self) -> Fix:
        """The code that draws these matrices as the others."""
        name = self.layer.parameter
        return Fix.of(initialize(name, "normal", self.usual, matrix=place) for place in self.places)


def odd_slices(recording: Recording, limits: SliceLimits) -> Iterator[OddSlices]:
    """Yield the stacks of matrices in which some have another scale than most."""
    trained = trained_layers(recording)
    for layer, weight in recording.weighted:
        if not weight.slice_rms or not weight.trainable or not layer.reaches_loss or layer.name in trained:
            continue
        usual = median(weight.slice_rms)
        elements = math.prod(weight.shape[1:])
        tolerated = max(limits.max_slice_octaves, math.log2(1e4) / elements)  # of one in ten thousand draws
        odd = [place for place, rms in enumerate(weight.slice_rms) if _octaves(rms, usual) > tolerated]
        if odd and len(odd) <= limits.max_odd_slices * len(weight.slice_rms):
            yield OddSlices(layer, tuple(odd), weight.slice_rms[odd[0]], usual)


def _octaves(rms: float, usual: float) -> float:
    if not (math.isfinite(rms) and math.isfinite(usual)) or usual == 0.0:
        return 0.0
    return abs(math.log2(rms / usual)) if rms else math.inf
