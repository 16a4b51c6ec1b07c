"""Parameter gradients: exact norms, zero and non-finite told for certain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from inithealth.record.sample import exact
from inithealth.record.weights import first_equal, unit_rows
from inithealth.recording import Layer


def gradient_norms(gradients: Mapping[str, Tensor | None]) -> dict[str, float]:
    """L2 norm of each gradient: 0 only where every element is 0, NaN or infinite only where an element is.

    One fused pass and one transfer a device; what leaves fp32's range there is measured again by itself.
    """
    present = {name: _values(g) for name, g in gradients.items() if g is not None and not g.is_meta}
    present = {name: g for name, g in present.items() if g.numel()}
    if not present:
        return {}
    norms = torch._foreach_norm(list(present.values()), 2, torch.float32)
    device = norms[0].device
    values = torch.stack([n.to(device) for n in norms]).tolist()
    return {
        name: norm if 1e-15 < norm < 1e15 else _again(g)
        for (name, g), norm in zip(present.items(), values, strict=True)
    }


def _values(gradient: Tensor) -> Tensor:
    gradient = gradient.detach()
    if gradient.is_sparse:
        gradient = gradient.coalesce().values()
    return torch.view_as_real(gradient) if gradient.is_complex() else gradient


def _again(gradient: Tensor) -> float:
    signal = exact(gradient)
    if signal is None:
        return math.nan
    return signal.norm if signal.non_finite == 0 else math.nan


def repeated_gradients(layers: Sequence[Layer], gradients: Mapping[str, Tensor | None]) -> dict[str, float]:
    """For each layer the share of its units whose gradient is not zero and repeats another unit's bit for bit."""
    found: dict[str, float] = {}
    for layer in layers:
        gradient = gradients.get(layer.weight.name) if layer.weight is not None else None
        if gradient is None or gradient.is_sparse or layer.kind in ("embedding", "bmm", "norm", "scale", "other"):
            continue
        rows = unit_rows(gradient, layer.unit_axis)
        if rows is None or rows.shape[0] < 2:
            continue
        alive = (rows != 0).any(1)
        repeats = first_equal(rows, groups=layer.groups) != torch.arange(rows.shape[0], device=rows.device)
        found[layer.name] = float((repeats & alive).sum()) / rows.shape[0]
    return found
