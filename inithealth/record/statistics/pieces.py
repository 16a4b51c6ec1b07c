"""Large tensors in pieces, so that no temporary has the size of the tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LARGE = 2**24  # elements of the largest tensor that is read as a whole
_HALF = (torch.float16, torch.bfloat16)


def is_large(values: Tensor) -> bool:
    """Return whether a tensor is read in pieces."""
    return values.numel() > LARGE


def in_half_precision(values: Tensor) -> bool:
    """Return whether a tensor is in fp16 or bf16."""
    return values.dtype in _HALF


def full(values: Tensor) -> Tensor:
    """Return values of half precision in fp32; others as they are."""
    return values.float() if in_half_precision(values) else values


def in_pieces(values: Tensor) -> Iterator[Tensor]:
    """Yield a tensor in pieces that fit in a core's cache, in the order of memory; a small tensor as a whole."""
    size = LARGE // 64 if values.device.type == "cpu" else LARGE
    if values.numel() <= LARGE:
        yield values
        return
    if not values.is_contiguous():
        values = values.permute(sorted(range(values.ndim), key=values.stride, reverse=True))
    rows = size // (values.numel() // len(values))
    if values.is_contiguous():
        yield from values.view(-1).split(size)
    elif rows:
        yield from values.split(rows)
    else:
        for each in values:
            yield from in_pieces(each)


def all_equal(values: Tensor) -> bool:
    """Return whether all elements are equal."""
    first = values[(0,) * values.ndim]
    return all(bool((piece == first).all()) for piece in in_pieces(values))


def row_pieces(rows: Tensor) -> Iterator[Tensor]:
    """Yield a matrix in blocks of rows; a small one as a whole."""
    size = LARGE // 16 if rows.numel() > LARGE else rows.numel()
    yield from rows.split(max(1, size // rows.shape[1]))


def by_rows(rows: Tensor, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the numbers that ``measure`` returns for each row of a matrix, of a large one in blocks.

    The numbers are copied into one tensor: small tensors that are kept would fragment the memory of the freed blocks.
    """
    if not is_large(rows):
        return measure(rows)
    found, done = measure(rows[:1]).new_empty(len(rows)), 0
    for piece in row_pieces(rows):
        found[done : done + len(piece)] = measure(piece)
        done += len(piece)
    return found


def wide_product(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of two half-precision matrices in fp32, converting a piece of the second one at a time.

    Processors without native half-precision arithmetic take minutes for a large one.
    """
    wide, total = left.float(), torch.zeros(len(left), right.shape[1])
    length = max(1, LARGE // 4 // right.shape[1])
    for one, other in zip(wide.split(length, 1), right.split(length), strict=True):
        total.addmm_(one, other.float())
    return total
