"""Parameter gradients: exact norms and reliable detection of zeros and non-finite elements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from inithealth.layer_kinds import MATRICES
from inithealth.record.statistics.duplicates import differ_early, first_equal, repeated_share
from inithealth.record.statistics.exact import LONG, exact, norm_of
from inithealth.record.statistics.pieces import by_rows, full
from inithealth.record.statistics.weights import unit_rows
from inithealth.record.tensors import local_shard, plain
from inithealth.recording import Layer


def gradient_norms(gradients: Mapping[str, Tensor | None]) -> dict[str, float]:
    """Return the L2 norm of each gradient: 0 only if all elements are 0, NaN or infinite only if an element is.

    One fused pass and one transfer per device; gradients out of fp32's range are measured again individually.
    """
    present = {name: values for name, g in gradients.items() if g is not None and (values := _values(g)) is not None}
    norms = _norms(present)
    if not norms:
        return {}
    kinds = {(n.device, n.dtype) for n in norms.values()}
    device = next(iter(kinds))[0]
    together = list(norms.values()) if len(kinds) == 1 else [n.to(device, torch.float64) for n in norms.values()]
    found = dict(zip(norms, torch.stack(together).tolist(), strict=True))
    return {name: found[name] if 1e-15 < found[name] < 1e15 else _again(values) for name, values in present.items()}


def _values(gradient: Tensor) -> Tensor | None:
    """Return the real values of a gradient; the usual case first, for speed."""
    gradient = local_shard(gradient)
    usual = gradient.dtype is torch.float32 and gradient.layout is torch.strided and not gradient.is_meta
    return gradient if usual and gradient.numel() and not gradient.requires_grad else plain(gradient)


def _norms(gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the norms on the device; long gradients separately, because a fused pass is inaccurate for them."""
    norms = {name: norm_of(g) for name, g in gradients.items() if g.numel() > LONG}
    fused: dict[torch.dtype, list[str]] = {}  # float64 must not be measured in lower precision
    for name, gradient in gradients.items():
        if name not in norms:
            fused.setdefault(torch.float64 if gradient.dtype is torch.float64 else torch.float32, []).append(name)
    for dtype, names in fused.items():
        norms |= zip(names, torch._foreach_norm([gradients[name] for name in names], 2, dtype), strict=True)
    return norms


def _again(gradient: Tensor) -> float:
    signal = exact(gradient)
    if signal is None:
        return math.nan
    return signal.norm if signal.non_finite == 0 else math.nan


def repeated_gradients(layers: Sequence[Layer], gradients: Mapping[str, Tensor | None]) -> dict[str, float]:
    """Return for each layer the share of its units whose non-zero gradient equals another unit's bit for bit."""
    found: dict[str, float] = {}
    for layer in layers:
        gradient = gradients.get(layer.parameter)
        if gradient is None or gradient.is_sparse or layer.kind not in MATRICES:
            continue
        if layer.kind == "bmm" and layer.groups > 1:  # experts: a row is not a unit
            continue
        rows = unit_rows(gradient, layer.unit_axis)
        if rows is None or rows.shape[0] < 2 or not _may_repeat(rows):
            continue
        found[layer.name] = repeated_share(first_equal(rows, groups=layer.groups), rows)
    return found


def _may_repeat(rows: Tensor) -> bool:
    """Return whether two rows have the same non-zero sum, as rows with equal gradients do; in most layers none do."""
    if differ_early(rows):
        return False
    sums = by_rows(rows, lambda piece: full(piece).contiguous().sum(1)).sort().values
    return bool(((sums[1:] == sums[:-1]) & (sums[1:] != 0)).any())
