"""The moments of a tensor, which can be scaled, and combined over calls, samples and processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from inithealth.recording import Signal

SUMS = 6  # numbers per tensor in an all-reduce


class Moments(NamedTuple):
    """The statistics of :class:`inithealth.recording.Signal`; non-finite elements are counted, not averaged."""

    numel: int  # elements of the whole tensor
    sampled: int  # elements that were read
    mean: float = 0.0
    rms: float = 0.0
    abs_max: float = 0.0
    zero_share: float = 1.0
    non_finite: int = 0
    float16: bool = False

    @classmethod
    def of(cls, signal: Signal) -> Moments:
        """Return the moments of a signal."""
        return cls(*(getattr(signal, field) for field in cls._fields))

    @property
    def signal(self) -> Signal:
        """The moments as a Signal."""
        return Signal(**self._asdict())

    @property
    def finite(self) -> float:
        """Finite elements of the whole tensor, estimated from the sample."""
        return self.numel * max(0.0, 1 - self.non_finite / self.sampled) if self.sampled else 0.0

    def __mul__(self, factor: object) -> Moments:
        """Return the moments of the tensor times a positive number."""
        if not isinstance(factor, float):
            return NotImplemented
        return self._replace(mean=self.mean * factor, rms=self.rms * factor, abs_max=self.abs_max * factor)

    def __add__(self, other: object) -> Moments:
        """Return the moments of both tensors together."""
        if not isinstance(other, Moments):
            return NotImplemented
        count, numel = self.finite + other.finite, self.numel + other.numel
        mean = rms = top = math.nan
        if count:
            parts = [(each, each.finite / count) for each in (self, other) if each.finite]
            top = max(each.abs_max for each, _ in parts)
            scale = top or 1.0  # squares of large values would overflow
            mean = sum(each.mean * part for each, part in parts)
            rms = sum((each.rms / scale) ** 2 * part for each, part in parts) ** 0.5 * scale
        return Moments(
            numel,
            self.sampled + other.sampled,
            mean,
            rms,
            top,
            (self.zero_share * self.numel + other.zero_share * other.numel) / numel if numel else 0.0,
            self.non_finite + other.non_finite,
            self.float16 or other.float16,
        )

    @property
    def sums(self) -> tuple[float, ...]:
        """Return numbers that can be summed over processes, see :meth:`of_sums`."""
        count = self.finite
        total, squares = (self.mean * count, self.rms * self.rms * count) if count else (0.0, 0.0)
        return self.numel, self.sampled, total, squares, self.zero_share * self.numel, self.non_finite

    def of_sums(self, sums: Sequence[float]) -> Moments:
        """Return the moments for summed numbers; the largest element remains that of this process."""
        numel, sampled, total, squares, zeros, non_finite = sums
        whole = self._replace(numel=int(numel), sampled=int(sampled), non_finite=int(non_finite))
        if not whole.finite > 0:
            return self
        rms = (squares / whole.finite) ** 0.5
        return whole._replace(mean=total / whole.finite, rms=rms, zero_share=zeros / numel)


def combined(signals: Sequence[Signal]) -> Signal | None:
    """Return one signal for several calls or tensors of the same layer; None if there are none."""
    if len(signals) < 2:
        return signals[0] if signals else None
    first, *others = map(Moments.of, signals)
    for each in others:
        first = first + each
    return first.signal
