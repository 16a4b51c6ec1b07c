"""A recipe fills a storage of any dtype, wherever it is called."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

from tests.record.paged.building import bits, build, holding, made, recipe_of


def test_memory_that_nothing_wrote_is_nan_or_zero() -> None:
    def fill(self: Any) -> None:
        self.weight = nn.Parameter(torch.empty(5))
        self.partly = nn.Parameter(torch.empty(6))
        self.partly.data[:3].zero_()
        self.register_buffer("count", torch.empty(5, dtype=torch.int32))

    built = build(holding(fill))
    model = made(holding(fill))
    written = {name: recipe_of(built, t).written for name, t in built.made.state_dict(keep_vars=True).items()}
    assert written == {"weight": False, "partly": True, "count": False}
    assert model.weight.isnan().all()
    assert model.partly.isnan().tolist() == [False] * 3 + [True] * 3
    assert (model.count == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.int64])
def test_dtypes(dtype: torch.dtype) -> None:
    def fill(self: Any) -> None:
        values = torch.empty(40, 40, dtype=dtype)
        self.register_buffer("values", values.random_(9) if dtype == torch.int64 else values.normal_())

    built = build(holding(fill))
    assert recipe_of(built, built.made.values).dtype == dtype
    assert len(set(made(holding(fill)).values.flatten().tolist())) > 5


def test_views_of_one_storage_with_several_dtypes() -> None:
    def fill(self: Any) -> None:
        self.pairs = torch.randn(100, 2)
        self.complex = torch.view_as_complex(self.pairs)
        self.bits = self.pairs.view(torch.int32)
        self.conjugated = self.complex.conj()
        self.complex.mul_(2)

    model = made(holding(fill))
    assert torch.equal(torch.view_as_real(model.complex), model.pairs)
    assert torch.equal(model.bits.view(torch.float32), model.pairs)
    assert torch.equal(model.conjugated, model.complex.conj())
    assert model.pairs.std().item() == pytest.approx(2, rel=0.2)


def test_threads_and_modes_change_nothing() -> None:
    built = build(lambda: nn.Linear(2000, 1500, bias=False))
    recipe = recipe_of(built, built.made.weight)
    plain, threaded = torch.UntypedStorage(recipe.nbytes), torch.UntypedStorage(recipe.nbytes)
    with torch.device("meta"), torch.autocast("cpu"):
        recipe.fill(plain)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda piece: recipe.fill(threaded, piece), reversed(range(recipe.pieces()))))
    assert torch.equal(bits(plain), bits(threaded))


def test_writes_that_others_hide_are_left_out() -> None:
    def fill(self: Any) -> None:
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(64, 64)))
        nn.init.normal_(self.weight)

    built = build(holding(fill))
    assert recipe_of(built, built.made.weight).scratch == 0


def test_temporaries_are_counted_while_they_are_used() -> None:
    def fill(self: Any) -> None:
        values = torch.zeros(1000)
        for _ in range(20):
            values = values.cumsum(0)
        self.weight = nn.Parameter(values)

    built = build(holding(fill))
    assert recipe_of(built, built.made.weight).scratch == 2 * 4000
