"""Recipes that depend on the depth of a network: GPT's, DeepNorm, Fixup."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch.nn import init

from inithealth.recording import Layer, weighted
from inithealth.theory.depth_recipes import depth_scaled
from inithealth.theory.distributions import drawn as distribution
from inithealth.theory.recipes import Recipe
from inithealth.theory.schemes import with_schemes
from tests.theory.drawn_layers import gpt, layer, text


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        (lambda place: 12**-0.5, "normal 0.02/sqrt(12)"),
        (lambda place: 6**-0.5, "normal 0.02/sqrt(6)"),
        (lambda place: 1.0, "normal 0.02"),
        (lambda place: (2 * (place // 2 + 1)) ** -0.5, "normal 0.02/sqrt({2})"),
    ],
    ids=["branches", "blocks", "not scaled", "by depth"],
)
def test_branch_ends_over_the_square_root_of_the_depth(scale: Callable[[int], float], wanted: str) -> None:
    layers = with_schemes(gpt(scale))
    for place, found in enumerate(each for each in layers if each.ends_branch):
        assert found.scheme is not None
        assert found.scheme.text == wanted.format(None, None, 2 * (place // 2 + 1))
        assert found.scheme.name == ("residual_scaled" if "sqrt" in wanted else "normal")
    assert {each.scheme.text for each in layers if each.scheme and not each.ends_branch} == {"normal 0.02"}


def test_a_scaled_recipe_keeps_its_name() -> None:
    torch.manual_seed(0)
    layers = []
    for block in range(8):
        inner, end = (init.kaiming_uniform_(torch.empty(*shape)) for shape in ((300, 112), (112, 300)))
        layers.append(layer(inner, name=f"{block}.in", activation="relu"))
        layers.append(layer(end * 8**-0.5, name=f"{block}.out", ends_branch=True))
    assert text(*layers, at=1) == "Kaiming uniform/sqrt(8)"


def test_deepnorm_scales_xavier_by_the_depth() -> None:
    torch.manual_seed(0)
    layers = []
    for place in range(24):
        weight = init.xavier_normal_(torch.empty(112, 300), gain=(8 * 12) ** -0.25)
        layers.append(layer(weight, name=f"layers.{place // 2}.{place % 2}", ends_branch=True))
    assert text(*layers) == "DeepNorm gain 0.32"


def test_fixup_has_zero_ends_and_scaled_inner_layers() -> None:
    torch.manual_seed(0)
    layers = []
    for block in range(16):
        inner = init.kaiming_normal_(torch.empty(300, 112)) * 16**-0.5
        layers.append(layer(inner, name=f"{block}.in", activation="relu"))
        layers.append(layer(torch.zeros(112, 300), name=f"{block}.out", ends_branch=True))
    assert text(*layers) == "Fixup Kaiming normal"
    assert text(*layers, at=1) == "zeros"


def offered(layers: Sequence[Layer], base: str = "normal 0.02") -> tuple[dict[str, float], ...]:
    """Return the depth-dependent recipes of each layer, if all other matrices have the base recipe."""
    weights = [each.weight for each in layers if each.weight is not None]
    chosen = [None if each.ends_branch else Recipe("normal", base, 0.02, 0.5) for each in layers]
    found = depth_scaled(weighted(layers), [distribution(weight) for weight in weights], chosen)
    return tuple({each.text: each.std for each in own} for own in found)


def test_an_end_may_be_scaled_by_the_branches_the_blocks_or_those_so_far() -> None:
    """Twelve branches, or six if those of one number are parallel: their number, twice and half of it."""
    ends = offered(gpt(lambda place: 1.0))[1::2]
    texts = {text: std for text, std in ends[0].items() if "sqrt(d)" not in text and "DeepNorm" not in text}
    assert texts == {f"normal 0.02/sqrt({count})": pytest.approx(0.02 / count**0.5) for count in (2, 24, 6, 12, 3)}
    assert "normal 0.02/sqrt(12)" in ends[11]
    assert "normal 0.02/sqrt(2)" not in ends[11]
    assert ends[0]["normal 2/(6*sqrt(d))"] == pytest.approx(2 / 6 / 8)


def test_only_deepnorm_is_possible_inside_a_branch() -> None:
    inner = offered(gpt(lambda place: 1.0))[0]
    assert inner == {
        "DeepNorm gain 0.38": pytest.approx(48**-0.25 * (2 / 256) ** 0.5),  # six blocks
        "DeepNorm gain 0.45": pytest.approx(24**-0.25 * (2 / 256) ** 0.5),  # three blocks
    }


def test_there_are_no_recipes_without_two_branches() -> None:
    """One block has two branches, one of which is removed here."""
    assert any(offered(gpt(lambda place: 1.0, blocks=1)))
    assert offered(gpt(lambda place: 1.0, blocks=1)[:3]) == ({}, {}, {})


def test_a_base_needs_most_of_the_layers() -> None:
    layers = gpt(lambda place: 1.0)
    weights = [each.weight for each in layers if each.weight is not None]

    def scaled(share: int) -> bool:
        """Return whether ends are scaled if this many of the twelve inner layers have the base."""
        recipes = [Recipe("normal", "normal 0.02" if at < share else f"normal {at}", 0.02, 0.5) for at in range(12)]
        chosen = [recipes[at // 2] if at % 2 == 0 else None for at in range(24)]
        found = depth_scaled(weighted(layers), [distribution(weight) for weight in weights], chosen)
        return "normal 0.02/sqrt(12)" in {each.text for each in found[1]}

    assert scaled(12)
    assert scaled(6)
    assert not scaled(5)


def test_parallel_experts_are_one_branch() -> None:
    """Six blocks of two branches; the second branch has three experts."""
    layers = [each for each in gpt(lambda place: 1.0) if each.ends_branch]
    more = [
        each.model_copy(update={"name": f"h.{at // 2}.mlp.{expert}.out" if at % 2 else each.name})
        for at, each in enumerate(layers)
        for expert in range(3 if at % 2 else 1)
    ]
    assert "normal 0.02/sqrt(12)" in offered([*gpt(lambda place: 1.0)[:1], *more])[1]


def test_fixup_is_possible_if_every_end_is_zero() -> None:
    torch.manual_seed(0)
    inner = layer(init.kaiming_normal_(torch.empty(300, 112)), name="0.in", activation="relu")
    silent = [layer(torch.zeros(112, 300), name=f"{block}.out", ends_branch=True) for block in range(16)]
    found = offered([inner, *silent])[0]
    assert found["Fixup Kaiming normal"] == pytest.approx((2 / 112) ** 0.5 * 16**-0.25)  # the second of two depths
    loud = [*silent[:-1], layer(torch.randn(112, 300), name="15.out", ends_branch=True)]
    assert not any("Fixup" in each for each in offered([inner, *loud])[0])
