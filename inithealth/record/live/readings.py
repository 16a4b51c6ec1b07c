"""What was measured in one step, by kind and place, until the step ends and it becomes numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.moments import combined
from inithealth.record.statistics.sample import Sample, batched, sample
from inithealth.recording import Signal

_MOST_CALLS = 8  # calls of one layer that are measured in one step: an unrolled loop repeats itself

Kind = Literal["input", "output", "gradient"]
Place = tuple[Literal["module", "layer"], str]  # at a module's call, or at a layer's operation


class Readings:
    """Tensors reduced to samples or statistics as they pass.

    Args:
        most: elements of one sample; None measures every element at once.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._taken: dict[tuple[Kind, Place], list[Signal | Sample]] = {}

    def take(self, kind: Kind, place: Place, tensor: Tensor) -> None:
        """Measure a tensor; of many calls of the same place the first to come count."""
        taken = self._taken.setdefault((kind, place), [])
        if len(taken) < _MOST_CALLS:
            reading = exact(tensor) if self.most is None else sample(tensor, self.most)
            if reading is not None:
                taken.append(reading)

    def keep(self, kind: Kind, place: Place, sample: Sample) -> None:
        """The same for a sample that was taken elsewhere."""
        self._taken[kind, place] = [sample]

    def signals(self, layer_at: Callable[[Place], str | None]) -> dict[tuple[Kind, str], Signal]:
        """The statistics by kind and layer; places that are no layer's are left out. One transfer to the host."""
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
        """Bytes of the samples held."""
        return sum(r.values.nbytes for taken in self._taken.values() for r in taken if isinstance(r, Sample))
