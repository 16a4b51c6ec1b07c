"""Statistics of gradients that are too large to be formed, from blocks of their rows.

A formed gradient in half precision is rounded to 8 or 11 bits, a product that is not formed may be more exact: their
norms differ by up to 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from inithealth.record.statistics import pieces
from inithealth.record.statistics.duplicates import ODD, all_differ, first_equal, nonzero_rows, ordered_keys, unit_keys
from inithealth.record.statistics.gradients import gradient_norms

_INNER = 512  # longest inner dimension for which the norm of a product is computed from Gram matrices
_CANCELED = 1e-4  # of the product of the factors' norms: below it, the Gram matrices give less than six digits


class RowBlocks(Protocol):
    """A gradient of which blocks of rows can be computed."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def rows(self, start: int, stop: int) -> Tensor:
        """Return some rows."""
        ...


@dataclass(frozen=True)
class Product:
    """The gradient of a linear layer: the matrix product of ``left`` and ``right``."""

    left: Tensor
    right: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return self.left.shape[0], self.right.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        return self.left.dtype

    def rows(self, start: int, stop: int) -> Tensor:
        left, right = self.left.detach()[start:stop], self.right.detach()
        if left.device.type != "cpu" or left.dtype.itemsize > 2:
            return torch.mm(left, right)
        return pieces.wide_product(left, right).to(left.dtype)


@dataclass(frozen=True)
class Looked:
    """The dense gradient of an embedding with ``entries`` rows: rows of ``grad`` added at ``indices``.

    Those at ``padding_idx`` are left out.
    """

    grad: Tensor
    indices: Tensor
    entries: int
    padding_idx: int = -1

    @property
    def shape(self) -> tuple[int, int]:
        return self.entries, self.grad.shape[-1]

    @property
    def dtype(self) -> torch.dtype:
        return self.grad.dtype

    def rows(self, start: int, stop: int) -> Tensor:
        indices, grad = self.indices.reshape(-1), self.grad.detach().reshape(-1, self.grad.shape[-1])
        some = ((indices >= start) & (indices < stop) & (indices != self.padding_idx)).nonzero()[:, 0]
        return grad.new_zeros(stop - start, grad.shape[1]).index_add_(0, indices[some] - start, grad[some])

    def used(self) -> Looked:
        """Return the gradient without the entries that were not looked up."""
        indices, grad = self.indices.reshape(-1), self.grad.reshape(-1, self.grad.shape[-1])
        kept, places = torch.unique(indices, return_inverse=True)
        padding = (kept == self.padding_idx).nonzero()
        return Looked(grad, places, len(kept), int(padding[0]) if len(padding) else -1)


def norm(blocks: RowBlocks) -> float:
    """Return the L2 norm: 0 only if all elements are 0, NaN or infinite only if an element is."""
    if isinstance(blocks, Product) and 0 < blocks.left.shape[1] <= _INNER:
        found = _product_norm(blocks)
        if found is not None:
            return found
    blocks = blocks.used() if isinstance(blocks, Looked) else blocks
    (units, inputs), height = blocks.shape, _height(blocks)
    if not units or not inputs:
        return 0.0
    parts = (blocks.rows(start, min(start + height, units)) for start in range(0, units, height))
    return math.hypot(*(gradient_norms({"": part})[""] for part in parts))


def repeated_rows(blocks: RowBlocks, groups: int = 1) -> float:
    """Return the share of rows whose non-zero gradient equals an earlier row's of their group bit for bit.

    Rows of a product are also equal if they are products of equal rows, whatever the rounding.
    """
    total, size = blocks.shape[0], max(1, blocks.shape[0] // max(1, groups))
    if size == 1 or (isinstance(blocks, Product) and _differ_early(blocks)):
        return 0.0
    blocks = blocks.used() if isinstance(blocks, Looked) and groups == 1 else blocks
    units, height = blocks.shape[0], _height(blocks)
    keys, alive = torch.zeros(units, dtype=torch.int64), torch.zeros(units, dtype=torch.bool)
    for start in range(0, units, height):
        rows = blocks.rows(start, min(start + height, units))
        some = torch.arange(len(rows), device=rows.device)
        keys[start : start + height] = ordered_keys(rows, some)
        alive[start : start + height] = (rows != 0).any(1) & ~rows.isnan().any(1)
    keys = _shared(blocks, keys)
    keys += torch.arange(units) // size * ODD
    return (int(alive.sum()) - len(keys[alive].unique())) / total


def _height(blocks: RowBlocks) -> int:
    """Return the number of rows of a block."""
    return max(1, pieces.LARGE // 16 // max(1, blocks.shape[1]))


def _differ_early(product: Product) -> bool:
    """Return whether the rows of a large product differ in their first elements."""
    units, inputs = product.shape
    few = (pieces.LARGE // 128 // units + 1) * 8
    if units * inputs <= pieces.LARGE or few > inputs // 2:
        return False
    first = Product(product.left, product.right[:, :few]).rows(0, units)
    keys = _shared(product, unit_keys(first + 0.0))
    return all_differ(keys[nonzero_rows(product.left)])  # other rows have no gradient


def _shared(blocks: RowBlocks, keys: Tensor) -> Tensor:
    """Return the keys of rows, the same for rows from equal factors: the rounding of a product depends on its place."""
    return keys[first_equal(blocks.left).to(keys.device)] if isinstance(blocks, Product) else keys


def _product_norm(product: Product) -> float | None:
    """Return the norm from |AB|^2 = sum (A^T A) (B B^T); None if rounding, overflow or underflow would matter."""
    left, right = _gram(product.left), _gram(product.right.t())
    scale = left.trace().item() * right.trace().item()
    square = (left * right).sum().item()
    if scale == 0.0:
        return 0.0
    if not _CANCELED**2 * scale < square < math.inf:
        return None
    found, limits = square**0.5, torch.finfo(product.dtype)
    faint = limits.smallest_normal * limits.eps * 128 * math.prod(product.shape) ** 0.5
    return found if faint < found < limits.max else None


def _gram(rows: Tensor) -> Tensor:
    """Return W^T W in fp64 for a few columns."""
    total = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
    for piece in rows.detach().split(max(1, pieces.LARGE // 16 // rows.shape[1])):
        total.addmm_(piece.double().t(), piece.double())
    return total
