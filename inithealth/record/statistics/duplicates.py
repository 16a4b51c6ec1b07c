"""Finds units that are equal bit for bit, and hashes all elements, by exact sums of their bits."""

from __future__ import annotations

import torch
from torch import Tensor

from inithealth.record.statistics import pieces
from inithealth.record.statistics.pieces import by_rows, is_large
from inithealth.record.tensors import plain

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
ODD = 0x1E3779B97F4A7C15  # random bits: products with it affect all bits
_MANY = 2**16  # numbers up to which Python is faster than tensor operations
_BLOCK = 2**20  # words hashed at a time
_FINGERPRINT = 2**53 - 1  # JSON readers may convert larger numbers to floats


def unit_keys(rows: Tensor) -> Tensor:
    """Return a hash of each row, which does not depend on the memory layout.

    Args:
        rows: [units, inputs], real.
    """
    return by_rows(rows, lambda piece: _words(piece).sum(1))


def summary(shape: tuple[int, ...], keys: Tensor) -> tuple[int, bool]:
    """Return a fingerprint of a weight of that shape with these :func:`unit_keys`, and whether all keys differ.

    The fingerprint is between 0 and 2^53.
    """
    if len(keys) <= _MANY:
        numbers = keys.tolist()
        return hash((shape, *numbers)) & _FINGERPRINT, len(set(numbers)) == len(numbers)
    mixed = int(keys.sum()), int((keys * _places(keys)).sum())
    return hash((shape, *mixed)) & _FINGERPRINT, all_differ(keys)


def first_equal(rows: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """Return for each unit the index of the first equal unit of its group, possibly its own.

    Args:
        rows: [units, inputs].
        bias: [units], part of each unit; ignored if its length differs.
        groups: units of different groups read different inputs.
    """
    units = rows.shape[0]
    itself = torch.arange(units, device=rows.device)
    size = max(1, units // max(1, groups))
    if size == 1:  # depthwise: every unit reads its own input
        return itself
    if differ_early(rows):
        return itself
    # Adding 0.0 removes the sign of zeros, which the keys would distinguish.
    keys = by_rows(rows, lambda piece: unit_keys(piece + 0.0))
    if all_differ(keys):  # the usual case
        return itself
    _, kind, count = torch.unique(keys, return_inverse=True, return_counts=True)
    some = (count[kind] > 1).nonzero()[:, 0]
    code = ordered_keys(rows, some) + (some // size) * ODD
    if bias is not None and bias.shape[0] == units:
        offsets = plain(bias)
        code += 0 if offsets is None else ordered_keys(offsets.reshape(units, -1), some) * ODD
    _, same = torch.unique(code, return_inverse=True)
    firsts = torch.full((len(some),), units, device=rows.device).scatter_reduce(0, same, some, "amin")[same]
    equal = _equal(rows, some, firsts)
    return itself.index_put((some[equal],), firsts[equal])


def repeated_share(first: Tensor, rows: Tensor) -> float:
    """Return the share of units equal to an earlier one, without units of zeros, which are counted separately."""
    repeats = first != torch.arange(len(first), device=first.device)
    if not bool(repeats.any()):
        return 0.0
    return float((repeats & nonzero_rows(rows)).sum()) / len(first)


def nonzero_rows(rows: Tensor) -> Tensor:
    """Return which rows have an element that is not zero."""
    return by_rows(rows, lambda piece: (piece != 0).any(1))


def differ_early(rows: Tensor) -> bool:
    """Return whether the rows of a large matrix differ in their first elements, which takes no pass over all."""
    first = rows[:, : (pieces.LARGE // 128 // len(rows) + 1) * 8]  # keys of whole words are the most different
    return is_large(rows) and not is_large(first) and all_differ(unit_keys(first + 0.0))


def all_differ(keys: Tensor) -> bool:
    if len(keys) <= _MANY:
        return len(set(keys.tolist())) == len(keys)
    ordered = keys.sort().values
    return not bool((ordered[1:] == ordered[:-1]).any())


def _words(rows: Tensor) -> Tensor:
    """Return the bits of each row as integers of eight bytes, or fewer if the length is not a multiple."""
    rows = rows.contiguous().view(-1).view(rows.shape)  # a single row may have any stride
    size = rows.element_size()
    if rows.shape[1] * size % 8:
        return rows.view(_INTEGERS[size])
    if rows.storage_offset() * size % 8:
        rows = rows.clone()
    return rows.view(torch.int64)


def ordered_keys(rows: Tensor, some: Tensor) -> Tensor:
    """Return for some rows a sum of the words that depends on their order."""
    places = _places(_words(rows[:1] + 0.0)[0])
    block = max(1, _BLOCK // len(places))
    return torch.cat([(_words(rows[part] + 0.0) * places).sum(1) for part in some.split(block)])


def _places(words: Tensor) -> Tensor:
    """Return a pseudorandom odd number for each position."""
    places = torch.arange(1, len(words) + 1, device=words.device) * ODD
    return (places ^ (places >> 29)) * ODD | 1


def _equal(rows: Tensor, some: Tensor, others: Tensor) -> Tensor:
    """Return which rows equal their counterparts: different rows have the same hash in rare cases."""
    block = max(1, _BLOCK // rows.shape[1])
    pairs = zip(some.split(block), others.split(block), strict=True)
    return torch.cat([(rows[mine] == rows[theirs]).all(1) for mine, theirs in pairs])
