"""The samples and statistics collected in one step, by kind and place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.moments import combined
from inithealth.record.statistics.sample import Sample, batched, sample
from inithealth.recording import Signal

_MOST_CALLS = 8  # measured calls of one layer per step, for unrolled loops

Kind = Literal["input", "output", "gradient"]
Place = tuple[Literal["module", "layer"], str]  # at a module's call, or at a layer's operation


class Readings:
    """Reduces tensors to samples or statistics.

    Args:
        most: elements of one sample; None measures every element immediately.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._taken: dict[tuple[Kind, Place], list[Signal | Sample]] = {}

    def take(self, kind: Kind, place: Place, tensor: Tensor) -> None:
        """Measure a tensor; only the first calls at the same place count."""
        taken = self._taken.setdefault((kind, place), [])
        if len(taken) < _MOST_CALLS:
            reading = exact(tensor) if self.most is None else sample(tensor, self.most)
            if reading is not None:
                taken.append(reading)

    def keep(self, kind: Kind, place: Place, sample: Sample) -> None:
        """Store a sample that was taken elsewhere."""
        self._taken[kind, place] = [sample]

    def signals(self, layer_at: Callable[[Place], str | None]) -> dict[tuple[Kind, str], Signal]:
        """Return the statistics by kind and layer, without places that belong to no layer. One transfer to the host."""
        samples = [reading for taken in self._taken.values() for reading in taken if isinstance(reading, Sample)]
        measured = dict(zip(map(id, samples), batched(samples), strict=True))
        found: dict[tuple[Kind, str], Signal] = {}
        for (kind, place), taken in self._taken.items():
            layer = layer_at(place)
            signal = combined([measured[id(reading)] if isinstance(reading, Sample) else reading for reading in taken])
            if layer is not None and signal is not None:
                found[kind, layer] = signal
        return found

    @property
    def nbytes(self) -> int:
        """Bytes used by the samples."""
        return sum(r.values.nbytes for taken in self._taken.values() for r in taken if isinstance(r, Sample))
