"""The spectrum of a weight matrix, from a few products: how far its largest direction stands out, and right angles.

The elements of a fresh weight are drawn independently: the largest singular value is then rms (sqrt m + sqrt n)
(Marchenko and Pastur 1967; Geman 1980). Training makes directions that stand out of that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SMALLEST = 8  # rows and columns that an edge takes: of fewer the largest singular value is chance
_MOST = 2**24  # elements; of larger matrices that share of the rows is read, which dims what stands out the least
_PIECE = 2**16  # elements that stay in a core's cache from one product to the next
_ROUNDS = 4  # products with W W^T: a direction at 1.26 of the edge, the least of trained ones, is seen at 1.2 or more
_FAINT = 0.25  # a mean that small against the edge does not move it; removing it takes a copy of the weight
_GRAM = 64  # units whose right angles are looked at pair by pair


def spectral_edge(matrix: Tensor, mean: float, std: float) -> float | None:
    """The largest singular value, mean removed, over std (sqrt m + sqrt n); None for fewer than 8 rows or columns.

    Found from below, by power iteration: never above the true one, for fresh weights 5 % below it, for
    those with directions that stand out less. Large matrices are judged by a part of their rows.

    Args:
        matrix: [units, inputs], float32 or float64, finite.
        mean: of its elements.
        std: of its elements, above 0.
    """
    if min(matrix.shape) < _SMALLEST:
        return None
    step = -(-matrix.numel() // _MOST)
    matrix = matrix[::step] if len(matrix) // step >= _SMALLEST else matrix
    if matrix.stride(0) == 1:
        matrix = matrix.t()  # read as it lies
    rows, columns = matrix.shape
    usual = std * (math.sqrt(rows) + math.sqrt(columns))
    if abs(mean) * (rows * columns) ** 0.5 > _FAINT * usual or rows * columns < _PIECE / 64:
        matrix = matrix - mean
    # The longest row is a start that needs no random draw, and has more than its share of what stands out.
    vector = matrix[int(torch.linalg.vector_norm(matrix, dim=1).argmax())] * (1 / usual)
    for _ in range(_ROUNDS if rows <= columns else _ROUNDS + 1):
        vector = _product(matrix, vector, usual**-2)
    image = torch.mv(matrix, vector)
    return math.sqrt(torch.dot(image, image).item() / torch.dot(vector, vector).item()) / usual


def orthogonal(rows: Tensor, edge: float | None, tolerance: float) -> bool:
    """Whether W W^T, or W^T W where that is smaller, is a multiple of the identity.

    Args:
        rows: [units, inputs], finite and within the range that fp32 squares have.
        edge: the spectral edge, where known: of equal singular values it is told by the shape alone.
        tolerance: of what is compared with 1.
    """
    short, long = sorted(rows.shape)
    if short < 2:
        return False
    if edge is not None and not 0.9 < edge * (1 + (short / long) ** 0.5) < 1.45:
        return False
    side = rows if rows.shape[0] == short else rows.t()
    if short <= _GRAM:
        gram = side @ side.t()
        size = float(gram.diagonal().mean())
        gram.diagonal().sub_(size)
        return size > 0 and float(gram.abs().max()) <= tolerance * size
    # A vector that no other matrix has as an eigenvector but by chance.
    vector = torch.arange(1.0, short + 1, dtype=side.dtype, device=side.device).sqrt().frac().sub_(0.5)
    turned = torch.mv(side, torch.mv(side.t(), vector))
    size = float(torch.dot(turned, vector)) / float(torch.dot(vector, vector))
    off = float(torch.linalg.vector_norm(turned - size * vector) / torch.linalg.vector_norm(vector))
    return size > 0 and off <= tolerance * size


def kurtosis(values: Tensor, mean: float) -> float | None:
    """Fourth over squared second moment around the mean; None where the values are all but equal.

    Args:
        values: float32 or float64, finite, within 1e15 and not all below 1e-15.
    """
    away = values - mean
    squares = away.mul_(away)
    second: float = squares.sum().item()
    fourth: float = torch.dot(squares, squares).item()
    return squares.numel() * fourth / second**2 if second > 0 else None


def strided(values: Tensor, most: int) -> Tensor:
    """About ``most`` elements as a vector, all over the tensor."""
    flat = (values.t() if values.ndim == 2 and values.stride(0) == 1 else values).reshape(-1)
    step = -(-flat.numel() // most)
    return flat[:: step | 1] if step > 1 else flat  # an odd step does not fall in with widths that are powers of two


def _product(matrix: Tensor, vector: Tensor, factor: float) -> Tensor:
    """W^T W v times a factor, with one pass over a large matrix."""
    if matrix.numel() <= _PIECE or matrix.device.type != "cpu":
        return torch.addmv(vector, matrix.t(), torch.mv(matrix, vector), beta=0.0, alpha=factor)
    total = torch.zeros_like(vector)
    for piece in matrix.split(max(1, _PIECE // matrix.shape[1])):
        total.addmv_(piece.t(), torch.mv(piece, vector), alpha=factor)
    return total
