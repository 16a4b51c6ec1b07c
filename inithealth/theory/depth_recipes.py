"""Recipes that depend on the depth: the recipe of the other layers, scaled by the number of residual branches.

References:
    GPT-2: Radford et al. 2019, section 2.3. DeepNorm: https://arxiv.org/abs/2203.00555
    Fixup: https://arxiv.org/abs/1901.09321. Per block: https://arxiv.org/abs/1908.11365
    2 / (blocks * sqrt(width)): Wang and Komatsuzaki 2021 (GPT-J), Black et al. 2022 (GPT-NeoX).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inithealth.layer_kinds import MATRICES
from inithealth.layer_names import split_numbers
from inithealth.recording import Layer, Weight
from inithealth.theory.distributions import Drawn
from inithealth.theory.recipes import Recipe, recipes, shape_fans

_BASES = ("normal", "trunc_normal", "uniform", "kaiming", "xavier", "lecun", "torch_default")
_SHARED = 0.5  # share of the other layers that must have a recipe for it to be the base recipe


def depth_scaled(
    pairs: Sequence[tuple[Layer, Weight]], drawn: Sequence[Drawn], chosen: Sequence[Recipe | None]
) -> tuple[list[Recipe], ...]:
    """Return for each layer the depth-dependent recipes that are possible for it.

    Args:
        pairs: layers and their weights.
        drawn: the distribution of each layer's weight.
        chosen: the recipe of each layer if these were not considered.
    """
    ends = [place for place, (layer, _) in enumerate(pairs) if layer.ends_branch and _matrix(layer)]
    if len(ends) < 2:
        return tuple([] for _ in pairs)
    totals = dict.fromkeys([len(ends), branches_in_depth([pairs[place][0].name for place in ends])])
    base = _base([layer for layer, _ in pairs], chosen)
    zero_ends = all(pairs[place][1].abs_max == 0 for place in ends)
    found: list[list[Recipe]] = []
    for place, ((layer, weight), own) in enumerate(zip(pairs, drawn, strict=True)):
        more: list[Recipe] = []
        if _matrix(layer) and own.kind != "unknown":
            more += [recipe for total in totals for recipe in _deepnorm(weight, own, total)]
            if zero_ends:
                more += [recipe for total in totals for recipe in _fixup(layer, weight, own, total)]
            if layer.ends_branch:
                more += _at_end(layer, weight, own, base, list(totals), ends.index(place))
        found.append(more)
    return tuple(found)


def _matrix(layer: Layer) -> bool:
    return layer.kind in MATRICES and len(layer.shape) > 1


def branches_in_depth(names: Sequence[str]) -> int:
    """Return the number of successive branches. Names that differ only in a later number are parallel, as experts."""
    depths: dict[str, set[str]] = {}
    for name in names:
        split = split_numbers(name)
        depths.setdefault(split.pattern, set()).add("".join(split.numbers[:1]))
    return sum(map(len, depths.values()))


def _base(layers: Sequence[Layer], chosen: Sequence[Recipe | None]) -> Recipe | None:
    """Return the most common recipe of the matrices that are neither a head nor the end of a branch."""
    inner = [
        recipe
        for layer, recipe in zip(layers, chosen, strict=True)
        if recipe is not None and _matrix(layer) and not layer.ends_branch and not layer.head
    ]
    texts = Counter(recipe.text for recipe in inner)
    text, count = texts.most_common(1)[0] if texts else ("", 0)
    base = next((recipe for recipe in inner if recipe.text == text), None)
    return base if base is not None and base.name in _BASES and count >= _SHARED * len(inner) else None


def _at_end(
    layer: Layer, weight: Weight, drawn: Drawn, base: Recipe | None, totals: list[int], place: int
) -> list[Recipe]:
    """Return the base recipe over the square root of the number of branches, of blocks, or of branches so far."""
    found = []
    same = [recipe for recipe in recipes(layer, weight, drawn) if base is not None and recipe.text == base.text]
    if not same and base is not None and base.name in ("normal", "trunc_normal"):
        same = [base]
    counts = {2 * (place // 2 + 1): 0.7}
    for total in totals:
        counts |= {2 * total: 0.6, total // 2: 0.4, total: 0.3}
    for recipe in same[:1]:
        for count, cost in counts.items():
            if count > 1:
                text = f"{recipe.text}/sqrt({count})"
                found.append(Recipe("residual_scaled", text, recipe.std / count**0.5, cost))
    if drawn.kind == "normal" and totals[0] > 3:
        blocks, width = totals[0] // 2, min(shape_fans(weight))
        found.append(Recipe("residual_scaled", f"normal 2/({blocks}*sqrt(d))", 2 / blocks / width**0.5, 1.5))
    return found


def _deepnorm(weight: Weight, drawn: Drawn, branches: int) -> list[Recipe]:
    """Return Xavier with gain (8 blocks)^(-1/4)."""
    gain = (8 * max(1, branches // 2)) ** -0.25
    std = gain * (2 / sum(shape_fans(weight))) ** 0.5
    return [Recipe("deepnorm", f"DeepNorm gain {gain:.2g}", std, 2.0)] if drawn.kind != "truncated" else []


def _fixup(layer: Layer, weight: Weight, drawn: Drawn, branches: int) -> list[Recipe]:
    """Return the Kaiming recipes over L^(1 / (2m - 2)), for m = 2 or 3 layers in each of L branches."""
    kaiming = [
        recipe
        for recipe in recipes(layer, weight, drawn)
        if recipe.name == "kaiming" and "gain" not in recipe.text and "cut" not in recipe.text
    ]
    return [
        Recipe("fixup", f"Fixup {recipe.text}", recipe.std * branches ** (-1 / (2 * depth - 2)), 1.0)
        for recipe in kaiming
        for depth in (2, 3)
    ]
