"""Training in several processes: each measures its own data, and one all-reduce combines the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from inithealth.record.statistics.moments import SUMS, Moments
from inithealth.recording import Measurement, Step

_HEAD = 2  # number of processes that measured, and the sum of their losses
_PLACES = ("input", "output", "gradient")
_ROW = SUMS * len(_PLACES)


class Ranks:
    """Combines the measurements of the processes that train one model; a single process is left unchanged.

    Every process must call :meth:`joined` once per watched step, even if it has measured nothing; otherwise the others
    wait forever.

    Args:
        together: whether all processes watch. If only one does, it must not wait for the others.
        layers: the names of all layers, the same in each process.
        sharded: the names of the sharded parameters.
    """

    def __init__(
        self, *, together: bool, layers: Sequence[str], sharded: Sequence[str] = (), device: torch.device
    ) -> None:
        there = together and dist.is_available() and dist.is_initialized()
        self.size = dist.get_world_size() if there else 1
        self._layers, self._sharded, self._device = list(dict.fromkeys(layers)), list(sharded), device

    @property
    def bytes(self) -> int:
        """Bytes that each process sends per step."""
        return 8 * (_HEAD + len(self._sharded) + _ROW * len(self._layers)) if self.size > 1 else 0

    def joined(self, step: Step | None, norms: Mapping[str, float], weights: Mapping[str, str]) -> Step | None:
        """Return the step of the whole batch: mean loss, moments of all samples, norms of full gradients.

                The largest element, dead units and saturation remain those of this process.

        Args:
            norms: of this process's shard of each parameter's gradient.
            weights: the parameter of each layer.
        """
        if self.size == 1:
            return step
        total = self._sums(step, norms)
        dist.all_reduce(total)
        (count, loss), squares = total[:_HEAD].tolist(), total[_HEAD : _HEAD + len(self._sharded)].tolist()
        if step is None:
            return None
        whole = {**norms, **{name: square**0.5 for name, square in zip(self._sharded, squares, strict=True)}}
        rows = dict(zip(self._layers, total[_HEAD + len(squares) :].view(-1, _ROW).tolist(), strict=True))
        measured = tuple(self._whole(m, rows.get(m.layer), whole.get(weights.get(m.layer, ""))) for m in step.layers)
        fields = {"layers": measured, "loss": None if step.loss is None else loss / count}
        if self._sharded:
            fields["global_gradient_norm"] = sum(map(_squared, whole.values())) ** 0.5
        return step.model_copy(update=fields)

    def _sums(self, step: Step | None, norms: Mapping[str, float]) -> Tensor:
        total = torch.zeros(_HEAD + len(self._sharded) + _ROW * len(self._layers), dtype=torch.float64)
        if step is not None:
            by_layer = {m.layer: m for m in step.layers}
            rows = [value for name in self._layers for value in self._row(by_layer.get(name))]
            squares = [_squared(norms.get(name, 0.0)) for name in self._sharded]
            total[:] = torch.tensor([1.0, step.loss or 0.0, *squares, *rows], dtype=torch.float64)
        return total.to(self._device)

    def _row(self, m: Measurement | None) -> list[float]:
        if m is None:
            return [0.0] * _ROW
        # A process's loss is the mean over its own samples, so its gradients have a smaller factor in the overall mean.
        scales = {"gradient": 1.0 / self.size}
        signals = [(getattr(m, place), scales.get(place, 1.0)) for place in _PLACES]
        parts = [(Moments.of(signal) * scale).sums if signal else (0.0,) * SUMS for signal, scale in signals]
        return [value for part in parts for value in part]

    def _whole(self, m: Measurement, row: Sequence[float] | None, norm: float | None) -> Measurement:
        if row is None:  # a second use of a tied weight: the norm of this process
            return m
        update: dict[str, object] = {} if norm is None else {"weight_gradient": norm}
        for number, place in enumerate(_PLACES):
            mine = getattr(m, place)
            if mine is not None:
                update[place] = Moments.of(mine).of_sums(row[number * SUMS : (number + 1) * SUMS]).signal
        return m.model_copy(update=update)


def rank() -> int:
    """Return the rank of this process; 0 if there is only one."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def of_ranks(together: bool) -> str:
    """Return the note for the report if several processes train; empty if only one does."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return ""
    size = dist.get_world_size()
    if not together:
        return f"process {rank()} of {size}: signals are of its own batches only"
    own = "largest elements, dead and saturated units and updates are of this process"
    return f"process {rank()} of {size}: sums are over all processes; {own}"


def _squared(value: float) -> float:
    """Return the square; infinity on overflow, since an error before the all-reduce would block the others."""
    return value * value
