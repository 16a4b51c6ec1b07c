"""From numbers to names: which initialization a weight was given.

References:
    Saxe et al. 2014 (orthogonal), https://arxiv.org/abs/1312.6120
    Martens 2010, "Deep learning via Hessian-free optimization" (sparse)
    Vaswani et al. 2017 (sinusoidal), https://arxiv.org/abs/1706.03762
    Martin and Mahoney 2021 (spectra of trained weights), https://arxiv.org/abs/1810.01075
    Those of the recipes are in inithealth.theory.recipes and inithealth.theory.depth_recipes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from inithealth.layer_kinds import MATRICES
from inithealth.recording import Layer, Scheme, Weight, weighted
from inithealth.theory.depth_recipes import depth_scaled
from inithealth.theory.distributions import TRUNCATED_STD, Drawn, drawn
from inithealth.theory.plain_schemes import plain_scheme, scheme_named
from inithealth.theory.recipes import Recipe, default_bound, recipes

SchemeName = Literal[
    "zeros",
    "ones",
    "constant",
    "identity",
    "orthogonal",
    "sparse",
    "sinusoidal",
    "trained",
    "torch_default",
    "kaiming",
    "xavier",
    "lecun",
    "normal",
    "trunc_normal",
    "uniform",
    "residual_scaled",
    "deepnorm",
    "fixup",
    "t5",
    "mup",
    "unknown",
]
SCHEME_NAMES: tuple[str, ...] = get_args(SchemeName)

_SURE = 4.5  # standard errors within which a std is that of a recipe: a network has hundreds of weights
_CLOSE = 0.15  # and how far it may be off it at all
_TELLING = 0.05  # standard error of a std that tells one recipe from the next
_SHORT = 10.0  # over the number of uniform elements: how far the largest stays below the bound, but for 1 in 20,000
_SPARSE = 0.03  # share of zeros from which they are there on purpose
_DECIDED = 0.9  # share of the odds from which one recipe is the only one in question
_TRUST = 1.5  # how much the other layers count
_FAR_FETCHED = 2.5  # cost of what nobody would take for granted in that place
_IN_COMPANY = ("deepnorm", "fixup")  # what no layer is called alone


class _Fit(NamedTuple):
    """A recipe that a weight agrees with."""

    recipe: Recipe
    score: float  # logarithm of its likelihood times its odds in that place


def with_schemes(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with :attr:`Layer.scheme` filled; None for those without a weight that could be read.

    Where a weight agrees with several recipes, it is called by the one that fits its place and the other layers.
    """
    pairs = [pair for pair in weighted(layers) if pair[1].non_finite == 0]
    origins = [drawn(weight) for _, weight in pairs]
    settled = [plain_scheme(layer, weight) for layer, weight in pairs]
    fits = [
        [] if known else _agreeing(recipes(*pair, origin), origin)
        for pair, origin, known in zip(pairs, origins, settled, strict=True)
    ]
    chosen = _elected(fits, origins)
    deeper = depth_scaled(pairs, origins, chosen)
    for own, more, origin, known in zip(fits, deeper, origins, settled, strict=True):
        own += [] if known else _agreeing(more, origin)
    chosen = _elected(fits, origins)
    schemes = {
        layer.name: known or _scheme(weight, origin, recipe)
        for (layer, weight), origin, recipe, known in zip(pairs, origins, chosen, settled, strict=True)
    }
    return tuple(layer.model_copy(update={"scheme": schemes.get(layer.name)}) for layer in layers)


def is_torch_default(layer: Layer) -> bool:
    """Whether the weight is as PyTorch's own layer of this kind draws it, and no other usual recipe draws it so.

    Only what is told beyond chance: the uniform distribution and its bound. The attention's packed matrix
    (Xavier), embeddings (N(0, 1)), and the ones of a normalization are what people choose as well.
    """
    weight = layer.weight
    if weight is None or layer.kind not in MATRICES or weight.non_finite or plain_scheme(layer, weight) is not None:
        return False
    bound, origin = default_bound(layer, weight), drawn(weight)
    if bound is None or origin.kind != "uniform" or not _tells(origin) or "in_proj" in weight.name:
        return False
    fits = [fit.recipe for fit in _agreeing(recipes(layer, weight, origin), origin)]
    return any(recipe.name == "torch_default" for recipe in fits) and all(
        recipe.name in ("torch_default", "uniform") or recipe.cost > _FAR_FETCHED for recipe in fits
    )


def _agreeing(candidates: Sequence[Recipe], origin: Drawn) -> list[_Fit]:
    """The recipes that a weight of this distribution can come from."""
    found = []
    for recipe in candidates if origin.mean == 0 and origin.kind != "unknown" else ():
        off = (origin.std / recipe.std - 1) / origin.error
        unlikely = off**2 / 2
        if origin.kind == "uniform":  # no element passes the bound, and of many one comes near
            short = 1 - origin.bound / (recipe.std * 3**0.5)
            unlikely = origin.elements * max(0.0, short - origin.rounding)
            if short < -origin.rounding or unlikely > _SHORT:
                continue
        if abs(off) <= min(_SURE, _CLOSE / origin.error):
            found.append(_Fit(recipe, -recipe.cost - unlikely))
    return found


def _elected(fits: Sequence[Sequence[_Fit]], origins: Sequence[Drawn]) -> list[Recipe | None]:
    """One recipe for each layer. Those that only one recipe fits have a say in what the others are called."""
    telling = [_tells(origin) for origin in origins]
    shares = [_shares(own) if tells else {} for own, tells in zip(fits, telling, strict=True)]
    votes: Counter[str] = Counter()
    for share in shares:
        votes.update(share)
    chosen: list[Recipe | None] = []
    for own, share, tells, origin in zip(fits, shares, telling, origins, strict=True):
        best, highest = None, -math.inf
        for recipe, score in own:
            company = votes[recipe.text] - share.get(recipe.text, 0.0)
            # A std alone is soon near that of some recipe nobody uses here; the bound of a uniform one is not.
            far = recipe.cost > _FAR_FETCHED and origin.kind != "uniform"
            alone = company < 0.5 and (far or not tells or recipe.name in _IN_COMPANY)
            total = score + _TRUST * math.log1p(max(0.0, company))
            if not alone and total > highest:
                best, highest = recipe, total
        chosen.append(best)
    return chosen


def _shares(fits: Sequence[_Fit]) -> dict[str, float]:
    """The recipe that a layer speaks for, if there is one, and how much: at most 1."""
    odds: dict[str, float] = {}
    for fit in fits:
        odds[fit.recipe.text] = max(odds.get(fit.recipe.text, 0.0), math.exp(fit.score))
    total = sum(odds.values())
    return {text: each / total for text, each in odds.items() if each > _DECIDED * total}


def _tells(origin: Drawn) -> bool:
    """Whether there are elements enough to tell one recipe from the next."""
    return _SHORT / origin.elements < 3 * _TELLING if origin.kind == "uniform" else origin.error <= _TELLING


def _scheme(weight: Weight, origin: Drawn, recipe: Recipe | None) -> Scheme:
    """The chosen recipe, or the distribution by its numbers where there is none."""
    name, text = (recipe.name, recipe.text) if recipe else _by_numbers(origin)
    # Whole units that are zero are padding or pruned: only zeros strewn among the others are drawn so.
    strewn = weight.zero_share - weight.zero_rows
    if strewn < _SPARSE or name == "unknown":
        return scheme_named(name, text)
    return scheme_named("sparse", f"sparse {strewn:.0%} {text}")


def _by_numbers(origin: Drawn) -> tuple[SchemeName, str]:
    if origin.kind == "unknown":  # nearly equal values have a std of 0, which cannot be rounded
        return "unknown", "unknown"
    std = origin.std / TRUNCATED_STD if origin.kind == "truncated" else origin.std
    spread = _rounded(std, origin.error)
    around = _rounded(origin.mean, std / math.sqrt(origin.elements) / abs(origin.mean)) if origin.mean else ""
    if origin.kind == "uniform":
        short = _SHORT / origin.elements / 2
        return "uniform", _ends(origin) if around else f"uniform {_rounded(origin.bound * (1 + short), short)}"
    if origin.kind == "truncated":
        return "trunc_normal", f"trunc normal({around}, {spread})" if around else f"trunc normal {spread}"
    return "normal", f"normal({around}, {spread})" if around else f"normal {spread}"


def _rounded(number: float, error: float) -> str:
    """With the fewest digits that are right within the error; that is relative."""
    texts = [f"{number:.{digits}g}" for digits in (1, 2, 3)]
    return next((text for text in texts if abs(float(text) / number - 1) <= 2.5 * error), texts[-1])


def _ends(origin: Drawn) -> str:
    """Where a uniform distribution lies: its far end is the largest element, the other follows from the mean."""
    far = origin.bound + abs(origin.mean)
    near = 2 * abs(origin.mean) - far
    if abs(near) < 4 * 2 * origin.std / math.sqrt(origin.elements):
        near = 0.0
    low, high = (near, far) if origin.mean > 0 else (-far, -near)
    return f"uniform({low:.2g}, {high:.2g})"
