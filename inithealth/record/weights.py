"""Parameters -> scale, symmetry, non-finite: what can be said of a weight without running the network."""

from __future__ import annotations

import torch
from torch import Tensor

from inithealth.record.sample import exact, plain
from inithealth.recording import Weight

_PROBED_COLUMNS = 8  # random rows that agree in eight spread columns agree in all; others are seldom candidates


def describe(
    name: str,
    tensor: Tensor,
    *,
    trainable: bool = True,
    fan_in: int | None = None,
    fan_out: int | None = None,
    rows: Tensor | None = None,
    bias: Tensor | None = None,
    groups: int = 1,
    tied_to: tuple[str, ...] = (),
) -> Weight | None:
    """The statistics of one parameter; None where its values cannot be read (meta, integers, empty).

    Args:
        rows: the same weight as [units, inputs], where its units are known.
        bias: [units], part of each unit.
        groups: units of different groups read different inputs and are no duplicates of each other.
    """
    values = plain(tensor)
    signal = None if values is None else exact(values)
    if values is None or signal is None:
        return None
    judged = rows if rows is not None and rows.shape[0] > 1 and signal.non_finite == 0 else None
    return Weight(
        name=name,
        shape=tuple(tensor.shape),
        trainable=trainable,
        mean=signal.mean,
        rms=signal.rms,
        abs_max=signal.abs_max,
        zero_share=signal.zero_share,
        non_finite=signal.non_finite,
        constant=_constant(values, signal.zero_share),
        fan_in=fan_in,
        fan_out=fan_out,
        zero_rows=_zero_rows(rows) if rows is not None and signal.zero_share > 0 else 0.0,
        duplicate_rows=0.0 if judged is None else _repeats(first_equal(judged, bias, groups), judged, bias),
        row_cosine=0.0 if judged is None else _row_cosine(judged),
        tied_to=tied_to,
        half_precision=values.dtype in (torch.float16, torch.bfloat16),
    )


def unit_rows(weight: Tensor, unit_axis: int | None) -> Tensor | None:
    """A weight of any shape as [units, inputs]; None for vectors or where the axis of the units is not known."""
    values = plain(weight)
    if values is None or values.ndim < 2 or unit_axis is None:
        return None
    return values.movedim(unit_axis, 0).flatten(1)


def first_equal(rows: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """For each unit the index of the first one of its group that equals it bit for bit (itself where none does)."""
    units = rows.shape[0]
    itself = torch.arange(units, device=rows.device)
    group = itself // max(1, units // max(1, groups))
    if group[-1] + 1 == units:  # depthwise: every unit reads an input of its own
        return itself
    column = rows[:, int(rows[0].abs().argmax())].sort().values
    if not bool((column[1:] == column[:-1]).any()):  # the usual case: one column tells all units apart
        return itself
    dtype = torch.promote_types(rows.dtype, torch.float32)  # half precision cannot count many groups
    extra = [group[:, None].to(dtype)]
    offsets = None if bias is None or bias.shape[0] != units else plain(bias)
    if offsets is not None:
        extra.append(offsets.reshape(units, -1).to(dtype))
    probe = rows[:, :: max(1, rows.shape[1] // _PROBED_COLUMNS)].to(dtype)
    _, kind, count = torch.unique(torch.cat([*extra, probe], 1), dim=0, return_inverse=True, return_counts=True)
    candidates = (count[kind] > 1).nonzero()[:, 0]
    if len(candidates) == 0:
        return itself
    whole = torch.cat([*(e[candidates] for e in extra), rows[candidates].to(dtype)], 1)
    _, same = torch.unique(whole, dim=0, return_inverse=True)
    firsts = torch.full((len(candidates),), units, device=rows.device)
    firsts = firsts.scatter_reduce(0, same, candidates, "amin")
    return itself.index_put((candidates,), firsts[same])


def _repeats(first: Tensor, rows: Tensor, bias: Tensor | None) -> float:
    """Share of units that repeat an earlier one; units that are all zero are judged as zeros, not as duplicates."""
    repeats = first != torch.arange(len(first), device=first.device)
    if not bool(repeats.any()):
        return 0.0
    alive = (rows != 0).any(1)
    if bias is not None and bias.shape[0] == len(alive):
        alive |= bias.detach() != 0
    return float((repeats & alive).sum()) / len(first)


def _constant(values: Tensor, zero_share: float) -> bool:
    if values.numel() < 2 or zero_share > 0:
        return False
    low, high = torch.aminmax(values)
    return bool(low == high)


def _zero_rows(rows: Tensor) -> float:
    return float((rows == 0).all(1).sum()) / rows.shape[0]


def _row_cosine(rows: Tensor) -> float:
    """Mean cosine over all pairs of units, from the length of their sum."""
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    lengths = torch.linalg.vector_norm(rows, dim=1)
    if not bool(((lengths > 1e-15) & (lengths < 1e15)).all()):  # zero, or squares beyond fp32
        largest = rows.abs().amax(1, keepdim=True)
        rows = rows / largest.where(largest > 0, 1.0)
        lengths = torch.linalg.vector_norm(rows, dim=1)
    alive = int(torch.count_nonzero(lengths))
    total = lengths.reciprocal().where(lengths > 0, 0.0) @ rows
    return (float(total.square().sum()) - alive) / max(alive * (alive - 1), 1)
