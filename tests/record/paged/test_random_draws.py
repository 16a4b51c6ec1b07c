"""Draws repeat where an ordinary build repeats them, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.record.paged.random_draws import PIECE, draw_in_place, drawn_seed, with_generator
from tests.record.paged.building import build, holding, made, recipe_of, recipes

aten = torch.ops.aten


def test_the_same_seed_in_each_layer_gives_identical_layers() -> None:
    def fill(self: Any) -> None:
        self.layers = nn.ModuleList()
        for _ in range(3):
            torch.manual_seed(0)
            self.layers.append(nn.Linear(300, 300))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.forked = nn.Linear(300, 300)
        self.last = nn.Linear(300, 300)

    model = made(holding(fill))
    first = model.layers[0].weight
    assert all(torch.equal(first, other.weight) for other in [*model.layers, model.forked])
    assert not torch.equal(first, model.last.weight)


def test_own_generators_and_restored_states() -> None:
    def fill(self: Any) -> None:
        generator = torch.Generator().manual_seed(5)
        self.one = nn.Parameter(torch.randn(100, generator=generator))
        self.two = nn.Parameter(torch.empty(100).normal_(generator=generator))
        self.three = nn.Parameter(torch.randn(100, generator=torch.Generator().manual_seed(5)))
        state = torch.get_rng_state()
        self.four = nn.Linear(50, 50)
        torch.set_rng_state(state)
        self.five = nn.Linear(50, 50)

    model = made(holding(fill))
    assert torch.equal(model.one, model.three)
    assert not torch.equal(model.one, model.two)
    assert torch.equal(model.four.weight, model.five.weight)


def test_a_draw_advances_its_generator_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    before = torch.get_rng_state()
    seeds = [drawn_seed(generator) for _ in range(3)]
    assert len(set(seeds)) == 3
    assert drawn_seed(generator.manual_seed(1)) == seeds[0]
    assert torch.equal(before, torch.get_rng_state())


def test_making_values_draws_nothing_from_the_global_generator() -> None:
    built = build(lambda: nn.Sequential(nn.Linear(30, 30), nn.utils.parametrizations.orthogonal(nn.Linear(9, 9))))
    before = torch.get_rng_state()
    for recipe in recipes(built):
        recipe.fill(torch.UntypedStorage(recipe.nbytes))
    assert torch.equal(before, torch.get_rng_state())


def test_pieces_are_independent() -> None:
    values = torch.empty(2 * PIECE + 5)
    draw_in_place(aten.normal_.default, (values, 0.0, 1.0), {}, 7)
    first, second, _ = values.split(PIECE)
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.01
    assert values.std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.randperm(50),
        lambda: torch.randint(3, 9, (50,)),
        lambda: torch.multinomial(torch.ones(60), 50),
        lambda: torch.bernoulli(torch.full((50,), 0.5)),
        lambda: torch.normal(torch.zeros(50), 1.0),
        lambda: torch.empty(50).exponential_(),
        lambda: torch.empty(50).bernoulli_(torch.full((50,), 0.5)),
        lambda: nn.functional.dropout(torch.ones(50)),
        lambda: torch.distributions.Gamma(1.0, 1.0).sample((50,)),
    ],
)
def test_any_random_operation(draw: Any) -> None:
    def fill(self: Any) -> None:
        torch.manual_seed(3)
        self.one, self.two = draw(), draw()
        torch.manual_seed(3)
        self.three = draw()

    model = made(holding(fill))
    assert torch.equal(model.one, model.three)
    assert not torch.equal(model.one, model.two)
    assert model.one.dtype == draw().dtype


def test_the_overload_with_a_generator() -> None:
    assert with_generator(aten.randn.default) is aten.randn.generator
    assert with_generator(aten.randint.low) is aten.randint.low_generator
    assert with_generator(aten.normal_.default) is aten.normal_.default
    assert with_generator(aten.native_dropout.default) is None


def test_a_draw_of_a_part_fills_the_part() -> None:
    def fill(self: Any) -> None:
        self.weight = nn.Parameter(torch.zeros(200, 100))
        self.weight.data[:, ::2].normal_()

    built = build(holding(fill))
    assert recipe_of(built, built.made.weight).pieces() == 1
    weight = made(holding(fill)).weight
    assert (weight[:, 1::2] == 0).all()
    assert weight[:, ::2].std().item() == pytest.approx(1, abs=0.05)
