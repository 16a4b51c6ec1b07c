"""One training in several processes: each measures its part of the batch, and one sum makes the numbers of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from inithealth.recording import Measurement, Signal, Step

_HEAD = 2  # processes that measured, and the sum of their losses
_SIGNAL = 6  # elements, of those sampled, their sum, sum of squares, zeros, not finite
_PLACES = ("input", "output", "gradient")
_ROW = _SIGNAL * len(_PLACES) + 1  # and the square of the norm of a sharded gradient


class Ranks:
    """Sums over the processes that train one model together; alone it leaves everything as it is.

    Every process calls :meth:`joined` once a watched step, whatever it has measured: who stays away makes the others
    wait for ever.

    Args:
        together: whether all processes watch. One that watches alone must not wait for the others.
        layers: the names of all layers, the same in each process.
        sharded: those of which each process holds a part of the weight.
    """

    def __init__(
        self, *, together: bool, layers: Sequence[str], sharded: Sequence[str] = (), device: torch.device
    ) -> None:
        there = together and dist.is_available() and dist.is_initialized()
        self.size = dist.get_world_size() if there else 1
        self._layers, self._device = list(dict.fromkeys(layers)), device
        self._sharded = frozenset(sharded)

    @property
    def bytes(self) -> int:
        """What one sum moves, in each process."""
        return 8 * (_HEAD + _ROW * len(self._layers)) if self.size > 1 else 0

    def joined(self, step: Step | None) -> Step | None:
        """The numbers of the whole batch: a mean of the losses, the moments of all samples, norms of whole gradients.

        The largest element, dead units and saturation stay those of this process.
        """
        if self.size == 1:
            return step
        total = self._sums(step)
        dist.all_reduce(total)
        count, loss = total[:_HEAD].tolist()
        if step is None:
            return None
        rows = dict(zip(self._layers, total[_HEAD:].view(-1, _ROW).tolist(), strict=True))
        measured = tuple(self._whole(m, rows.get(m.layer)) for m in step.layers)
        norm = sum((m.weight_gradient or 0.0) ** 2 for m in measured) ** 0.5 if self._sharded else None
        told = {"layers": measured, "loss": None if step.loss is None else loss / count}
        return step.model_copy(update={**told, **({} if norm is None else {"global_gradient_norm": norm})})

    def _sums(self, step: Step | None) -> Tensor:
        total = torch.zeros(_HEAD + _ROW * len(self._layers), dtype=torch.float64)
        if step is not None:
            total[0], total[1] = 1.0, step.loss if step.loss is not None else 0.0
            by_layer = {m.layer: m for m in step.layers}
            rows = [self._row(by_layer.get(name)) for name in self._layers]
            total[_HEAD:] = torch.tensor(rows, dtype=torch.float64).flatten()
        return total.to(self._device)

    def _row(self, m: Measurement | None) -> list[float]:
        if m is None:
            return [0.0] * _ROW
        # A process's loss is the mean over its own samples: in the mean of all its gradients are that much smaller.
        scales = {"gradient": 1.0 / self.size}
        sums = [value for place in _PLACES for value in _moments(getattr(m, place), scales.get(place, 1.0))]
        return [*sums, (m.weight_gradient or 0.0) ** 2 if m.layer in self._sharded else 0.0]

    def _whole(self, m: Measurement, row: Sequence[float] | None) -> Measurement:
        if row is None:  # a second use of a tied weight: this process's part
            return m
        parts = {place: row[number * _SIGNAL : (number + 1) * _SIGNAL] for number, place in enumerate(_PLACES)}
        update: Mapping[str, object] = {
            place: _signal(getattr(m, place), sums) for place, sums in parts.items() if getattr(m, place) is not None
        }
        norm = {"weight_gradient": row[-1] ** 0.5} if m.layer in self._sharded else {}
        return m.model_copy(update={**update, **norm})


def _moments(signal: Signal | None, scale: float) -> list[float]:
    if signal is None:
        return [0.0] * _SIGNAL
    finite = max(signal.sampled - signal.non_finite, 0)
    mean, rms = (signal.mean * scale, signal.rms * scale) if finite else (0.0, 0.0)
    return [
        signal.numel,
        signal.sampled,
        mean * finite,
        rms**2 * finite,
        signal.zero_share * signal.sampled,
        signal.non_finite,
    ]


def _signal(mine: Signal, sums: Sequence[float]) -> Signal:
    numel, sampled, total, squares, zeros, broken = sums
    finite = sampled - broken
    if not finite > 0:
        return mine
    known = {"numel": int(numel), "sampled": int(sampled), "mean": total / finite, "rms": (squares / finite) ** 0.5}
    return mine.model_copy(update={**known, "zero_share": zeros / sampled, "non_finite": int(broken)})
