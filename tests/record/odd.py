"""Tensors of any dtype, shape, layout and magnitude, for properties that hold for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from hypothesis import strategies as st
from torch import Tensor

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)


SIZES = (1.0, 1e-30, 1e-18, 1e18, 1e30)


ODD = (math.nan, math.inf, -math.inf, 0.0, -0.0)


@st.composite
def tensors(draw: st.DrawFn, most: int = 60) -> Tensor:
    """Tensors of any dtype, shape and layout, from tiny to huge, with special values in some places."""
    shape = draw(st.lists(st.integers(1, 5), max_size=3))
    count = math.prod(shape)
    values = draw(st.lists(st.floats(-8, 8, width=32), min_size=count, max_size=count))
    size = draw(st.sampled_from(SIZES))
    scaled = [value * size for value in values]
    for place in draw(st.lists(st.integers(0, count - 1), max_size=3)):
        scaled[place] = draw(st.sampled_from(ODD))
    tensor = torch.tensor(scaled, dtype=torch.float64).reshape(shape).to(draw(st.sampled_from(DTYPES)))
    return draw(st.sampled_from(LAYOUTS))(tensor)


LAYOUTS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda t: t,
    lambda t: t.movedim(0, -1) if t.ndim else t,
    lambda t: t.repeat_interleave(2, -1)[..., ::2] if t.ndim else t,  # strided
    lambda t: torch.cat([t.flatten().new_ones(3), t.flatten()])[3:].view(t.shape),  # an offset into its storage
    lambda t: t[:1].expand_as(t) if t.ndim else t,
    lambda t: t.flip(0) if t.ndim else t,
)

# Few values produce many duplicates; the special sizes must not produce any.
VALUES = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, -1e-30, 1e30)


@st.composite
def units(draw: st.DrawFn) -> tuple[Tensor, Tensor | None, int]:
    """Rows with many duplicates, optionally a bias, and a number of groups that divides them."""
    groups, size = draw(st.sampled_from([1, 1, 1, 2, 3])), draw(st.integers(1, 5))
    columns = draw(st.sampled_from([1, 2, 3, 20]))
    row = st.lists(st.sampled_from(VALUES), min_size=columns, max_size=columns)
    kinds = draw(st.lists(row, min_size=1, max_size=3))
    rows = draw(st.lists(st.sampled_from(kinds), min_size=groups * size, max_size=groups * size))
    dtype = draw(st.sampled_from(DTYPES))
    bias = draw(st.none() | st.lists(st.sampled_from((0.0, 2.0)), min_size=len(rows), max_size=len(rows)))
    tensor = torch.tensor(rows, dtype=torch.float64).to(dtype)
    tensor = draw(st.sampled_from((tensor, tensor.t().contiguous().t())))
    return tensor, None if bias is None else torch.tensor(bias).to(dtype), groups
