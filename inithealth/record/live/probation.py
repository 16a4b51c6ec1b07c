"""Suspects on probation: exact zeros that may start receiving gradient, and duplicates that may diverge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from inithealth.record.layers.naming import Naming
from inithealth.record.statistics.weights import first_equal, unit_rows
from inithealth.record.tensors import local_shard, plain
from inithealth.recording import Layer, Probation, weighted

STEPS = 4  # intentional zero starts (LoRA, ReZero, adaLN-zero) receive gradient by step 2; this is twice as many
_ALIKE = 1e-3  # units closer than this, relative to their own change, move together


def suspects(layers: Sequence[Layer], norms: Mapping[str, float]) -> tuple[list[str], list[Layer]]:
    """Return parameters whose gradient is exactly zero, and layers with duplicate, constant or zero units."""
    pairs = weighted(layers)
    trained = [w.name for layer, w in pairs if w.trainable and layer.reaches_loss and not layer.exempt_zero_gradient]
    repeating = [layer for layer, weight in pairs if weight.duplicate_rows or weight.zero_rows]
    return [name for name in trained if norms.get(name) == 0.0], repeating


class Trial:
    """Observes the suspects of one model over optimizer steps.

    Args:
        norms: the gradient norm of each parameter at step 0.
    """

    def __init__(self, naming: Naming, layers: Sequence[Layer], norms: Mapping[str, float]) -> None:
        zero, repeating = suspects(layers, norms)
        self.naming = naming
        self.without_gradient = dict.fromkeys(zero)
        self.steps = 0
        self._before: dict[str, tuple[Tensor, Tensor]] = {}  # weight -> units at step 0, first equal unit of each
        for layer in repeating:
            rows = self._rows(layer)
            if rows is not None:
                self._before[layer.parameter] = (rows.clone(), first_equal(rows, groups=layer.groups))
        self.needed_at_first = self.needed
        self._layers = {layer.parameter: layer for layer in repeating}

    @property
    def needed(self) -> bool:
        return bool(self.without_gradient or self._before)

    @property
    def names(self) -> list[str]:
        """The parameters without gradient so far."""
        return list(self.without_gradient)

    @property
    def settled(self) -> bool:
        return self.steps >= STEPS

    @property
    def just_settled(self) -> bool:
        """Whether the last step settled the suspects."""
        return self.needed_at_first and self.steps == STEPS

    def note(self, norms: Mapping[str, float]) -> None:
        """Count an optimizer step; ``norms`` are the gradient norms after it."""
        self.steps += 1
        for name in list(self.without_gradient):
            if norms.get(name, 0.0) != 0.0:
                del self.without_gradient[name]

    def result(self) -> Probation:
        return Probation(
            steps=self.steps,
            settled=self.settled,
            asleep=tuple(self.without_gradient),
            zero_units={name: self._still_zero(name) for name in self._before},
            duplicates={name: self._still_alike(name) for name in self._before},
        )

    def _rows(self, layer: Layer) -> Tensor | None:
        """Return a weight's units with their bias, as they are now."""
        parameter = local_shard(self.naming.parameters[layer.parameter].detach())
        rows = unit_rows(parameter, layer.unit_axis)
        if rows is None or layer.bias is None or layer.kind == "embedding":
            return rows
        bias = plain(local_shard(self.naming.parameters[layer.bias.name].detach()))
        return rows if bias is None or len(bias) != len(rows) else torch.cat([rows, bias.reshape(len(rows), -1)], 1)

    def _still_zero(self, name: str) -> float:
        """Return the share of units whose weights (not bias) are still zero."""
        rows = unit_rows(local_shard(self.naming.parameters[name].detach()), self._layers[name].unit_axis)
        return 0.0 if rows is None else float((rows == 0).all(1).sum()) / len(rows)

    def _still_alike(self, name: str) -> float:
        """Return the share of units still equal to another one, up to rounding or 0.1 % of their own change."""
        before, first = self._before[name]
        rows = self._rows(self._layers[name])
        if rows is None:
            return 0.0
        precision = torch.finfo(rows.dtype).eps
        rows, before = rows.float(), before.float()
        distance = torch.linalg.vector_norm(rows - rows[first], dim=1)
        moved = torch.linalg.vector_norm(rows - before, dim=1)
        rounding = precision * 8 * torch.linalg.vector_norm(rows, dim=1)
        repeats = first != torch.arange(len(first), device=first.device)
        alive = (rows != 0).any(1)
        return float((repeats & alive & (distance <= _ALIKE * moved + rounding)).sum()) / len(first)
