"""The spectrum of a weight matrix, from a few products: its largest singular value, and orthogonality.

If the elements are independent, as in a fresh weight, the largest singular value is rms (sqrt m + sqrt n)
(Marchenko and Pastur 1967; Geman 1980). Training creates larger singular values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inithealth.record.statistics.pieces import by_rows, full, is_large, row_pieces

_SMALLEST = 8  # fewest rows and columns: for smaller matrices the largest singular value varies too much
_MOST = 2**24  # elements; of larger matrices a share of the rows is read, which slightly reduces the result
_PIECE = 2**16  # elements that stay in a core's cache between two products
_ROUNDS = 4  # products with W W^T: trained weights, which are at 1.26 or more, are then measured at 1.2 or more
_FAINT = 0.25  # a relative mean below which it does not affect the result; removing the mean needs a copy of the weight
_GRAM = 64  # units that are checked for orthogonality in pairs


def spectral_edge(matrix: Tensor, mean: float, std: float) -> float | None:
    """Return the largest singular value, mean removed, over std (sqrt m + sqrt n); None below 8 rows or columns.

    Power iteration gives a lower bound: 5 % below the true value for fresh weights, less for weights with a dominant
    direction. Of large matrices a part of the rows is read.

    Args:
        matrix: [units, inputs], finite; in half precision only if it is large.
        mean: of its elements.
        std: of its elements, above 0.
    """
    if min(matrix.shape) < _SMALLEST:
        return None
    matrix = _part(matrix.t() if matrix.stride(0) == 1 else matrix)  # in the order of memory
    rows, columns = matrix.shape
    usual = std * (math.sqrt(rows) + math.sqrt(columns))
    if abs(mean) * (rows * columns) ** 0.5 > _FAINT * usual or rows * columns < _PIECE / 64:
        matrix = matrix - mean
    # The longest row is a deterministic start with a large component of the dominant direction.
    vector = matrix[int(torch.linalg.vector_norm(matrix, dim=1).argmax())] * (1 / usual)
    for _ in range(_ROUNDS if rows <= columns else _ROUNDS + 1):
        vector = _product(matrix, vector, usual**-2)
    image = torch.mv(matrix, vector)
    return math.sqrt(torch.dot(image, image).item() / torch.dot(vector, vector).item()) / usual


def _part(matrix: Tensor) -> Tensor:
    """Return at most ``_MOST`` elements of a matrix, in fp32 or fp64."""
    step = -(-matrix.numel() // _MOST)
    if len(matrix) // step >= _SMALLEST:
        return full(matrix[::step])
    return full(matrix[:, : max(_SMALLEST, _MOST // len(matrix))])


def orthogonal(rows: Tensor, edge: float | None, tolerance: float) -> bool:
    """Return whether W W^T, or W^T W if that is smaller, is a multiple of the identity.

    Args:
        rows: [units, inputs], finite and within the range of fp32 squares.
        edge: the spectral edge, if known: for equal singular values it depends only on the shape.
        tolerance: relative to 1.
    """
    short, long = sorted(rows.shape)
    if short < 2:
        return False
    if edge is not None and not 0.9 < edge * (1 + (short / long) ** 0.5) < 1.45:
        return False
    side = rows if rows.shape[0] == short else rows.t()
    if is_large(side):
        some = side[: max(2, _MOST // long)]
        if len(some) < short and not orthogonal(full(some), None, tolerance):
            return False
    if short <= _GRAM:
        gram = _gram(side)
        size = float(gram.diagonal().mean())
        gram.diagonal().sub_(size)
        return size > 0 and float(gram.abs().max()) <= tolerance * size
    # A pseudorandom vector, which is not an eigenvector of other matrices.
    exact = torch.promote_types(side.dtype, torch.float32)
    vector = torch.arange(1.0, short + 1, dtype=exact, device=side.device).sqrt().frac().sub_(0.5)
    turned = _turned(side, vector)
    size = float(torch.dot(turned, vector)) / float(torch.dot(vector, vector))
    off = float(torch.linalg.vector_norm(turned - size * vector) / torch.linalg.vector_norm(vector))
    return size > 0 and off <= tolerance * size


def _gram(side: Tensor) -> Tensor:
    """Return W W^T for a few rows."""
    if not is_large(side):
        return side @ side.t()
    gram = full(side[:, :1]).new_zeros(len(side), len(side))
    for piece in map(full, row_pieces(side.t())):
        gram.addmm_(piece.t(), piece)
    return gram


def _turned(side: Tensor, vector: Tensor) -> Tensor:
    """Return W W^T v."""
    if not is_large(side):
        return torch.mv(side, torch.mv(side.t(), vector))
    if side.stride(0) == 1:  # with one pass
        return _product(side.t(), vector, 1.0)
    sums, done = torch.zeros(side.shape[1], dtype=vector.dtype, device=side.device), 0
    for piece in row_pieces(side):
        sums.addmv_(full(piece).t(), vector[done : done + len(piece)])
        done += len(piece)
    return by_rows(side, lambda piece: torch.mv(full(piece), sums))


def kurtosis(values: Tensor, mean: float) -> float | None:
    """Return the fourth over the squared second moment around the mean; None if the values are nearly equal.

    Args:
        values: float32 or float64, finite, within 1e15 and not all below 1e-15.
    """
    away = values - mean
    squares = away.mul_(away)
    second: float = squares.sum().item()
    fourth: float = torch.dot(squares, squares).item()
    return squares.numel() * fourth / second**2 if second > 0 else None


def strided(values: Tensor, most: int) -> Tensor:
    """Return about ``most`` elements of the whole tensor as a vector."""
    flat = (values.t() if values.ndim == 2 and values.stride(0) == 1 else values).reshape(-1)
    step = -(-flat.numel() // most)
    return flat[:: step | 1] if step > 1 else flat  # an odd step is not aligned with widths that are powers of two


def _product(matrix: Tensor, vector: Tensor, factor: float) -> Tensor:
    """Return W^T W v times a factor, with one pass over a large matrix."""
    if matrix.numel() <= _PIECE or (matrix.device.type != "cpu" and not is_large(matrix)):
        matrix = full(matrix)
        return torch.addmv(vector, matrix.t(), torch.mv(matrix, vector), beta=0.0, alpha=factor)
    total = torch.zeros_like(vector)
    for piece in map(full, matrix.split(max(1, _PIECE // matrix.shape[1]))):
        total.addmv_(piece.t(), torch.mv(piece, vector), alpha=factor)
    return total
