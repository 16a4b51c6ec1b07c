"""Names the initialization of each weight from its statistics.

References:
    Saxe et al. 2014 (orthogonal), https://arxiv.org/abs/1312.6120
    Martens 2010, "Deep learning via Hessian-free optimization" (sparse)
    Vaswani et al. 2017 (sinusoidal), https://arxiv.org/abs/1706.03762
    Martin and Mahoney 2021 (spectra of trained weights), https://arxiv.org/abs/1810.01075
    For the recipes see inithealth.theory.recipes and inithealth.theory.depth_recipes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from inithealth.layer_kinds import MATRICES
from inithealth.powers import squared
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

_SURE = 4.5  # largest deviation of a std from a recipe, in standard errors: a network has hundreds of weights
_CLOSE = 0.15  # largest relative deviation
_DISTINCT = 0.05  # standard error of a std that is small enough to distinguish recipes
_SHORT = 10.0  # over the number of uniform elements: gap between bound and largest, exceeded by 1 in 20,000 weights
_SPARSE = 0.03  # share of zeros above which they are intentional
_DECIDED = 0.9  # share of the odds above which a recipe is the only candidate
_TRUST = 1.5  # weight of the other layers' recipes
_UNUSUAL = 2.5  # cost of a recipe that is unusual for the layer
_NEVER_ALONE = ("deepnorm", "fixup")  # recipes that need a second layer with the same recipe


class _Fit(NamedTuple):
    """A recipe that is consistent with a weight."""

    recipe: Recipe
    score: float  # logarithm of likelihood times prior odds


def with_schemes(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers with :attr:`Layer.scheme`; it is None for layers without a readable weight.

    If several recipes are consistent with a weight, the one that fits the kind of layer and the other layers is chosen.
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
    """Return whether the weight has PyTorch's default initialization and matches no other usual recipe.

    Only a uniform distribution with the default bound counts. The packed matrix of attention (Xavier), embeddings
    (N(0, 1)) and normalization weights (ones) have defaults that people also choose explicitly.
    """
    weight = layer.weight
    if weight is None or layer.kind not in MATRICES or weight.non_finite or plain_scheme(layer, weight) is not None:
        return False
    bound, origin = default_bound(layer, weight), drawn(weight)
    if bound is None or origin.kind != "uniform" or not _is_distinct(origin) or "in_proj" in weight.name:
        return False
    fits = [fit.recipe for fit in _agreeing(recipes(layer, weight, origin), origin)]
    return any(recipe.name == "torch_default" for recipe in fits) and all(
        recipe.name in ("torch_default", "uniform") or recipe.cost > _UNUSUAL for recipe in fits
    )


def _agreeing(candidates: Sequence[Recipe], origin: Drawn) -> list[_Fit]:
    """Return the recipes that are consistent with a weight of this distribution."""
    found = []
    for recipe in candidates if origin.mean == 0 and origin.kind != "unknown" else ():
        off = (origin.std / recipe.std - 1) / origin.error
        unlikely = squared(off) / 2
        if origin.kind == "uniform":  # no element exceeds the bound, and the largest of many is close to it
            short = 1 - origin.bound / (recipe.std * 3**0.5)
            unlikely = origin.elements * max(0.0, short - origin.rounding)
            if short < -origin.rounding or unlikely > _SHORT:
                continue
        if abs(off) <= min(_SURE, _CLOSE / origin.error):
            found.append(_Fit(recipe, -recipe.cost - unlikely))
    return found


def _elected(fits: Sequence[Sequence[_Fit]], origins: Sequence[Drawn]) -> list[Recipe | None]:
    """Return one recipe per layer. Layers with a single candidate vote for the recipe of the others."""
    distinct = [_is_distinct(origin) for origin in origins]
    shares = [_shares(own) if sure else {} for own, sure in zip(fits, distinct, strict=True)]
    votes: Counter[str] = Counter()
    for share in shares:
        votes.update(share)
    chosen: list[Recipe | None] = []
    for own, share, sure, origin in zip(fits, shares, distinct, origins, strict=True):
        best, highest = None, -math.inf
        for recipe, score in own:
            others = votes[recipe.text] - share.get(recipe.text, 0.0)
            # A std is often near that of an unrelated recipe by chance; the bound of a uniform distribution is not.
            unusual = recipe.cost > _UNUSUAL and origin.kind != "uniform"
            alone = others < 0.5 and (unusual or not sure or recipe.name in _NEVER_ALONE)
            total = score + _TRUST * math.log1p(max(0.0, others))
            if not alone and total > highest:
                best, highest = recipe, total
        chosen.append(best)
    return chosen


def _shares(fits: Sequence[_Fit]) -> dict[str, float]:
    """Return the recipe that a layer votes for, if any, and the weight of the vote, at most 1."""
    odds: dict[str, float] = {}
    for fit in fits:
        odds[fit.recipe.text] = max(odds.get(fit.recipe.text, 0.0), math.exp(fit.score))
    total = sum(odds.values())
    return {text: each / total for text, each in odds.items() if each > _DECIDED * total}


def _is_distinct(origin: Drawn) -> bool:
    """Return whether there are enough elements to distinguish recipes."""
    return _SHORT / origin.elements < 3 * _DISTINCT if origin.kind == "uniform" else origin.error <= _DISTINCT


def _scheme(weight: Weight, origin: Drawn, recipe: Recipe | None) -> Scheme:
    """Return the chosen recipe as a scheme; without a recipe, the distribution and its parameters."""
    name, text = (recipe.name, recipe.text) if recipe else _by_numbers(origin)
    # Units of zeros are padding or pruned. Only scattered zeros come from a sparse initialization.
    scattered = weight.zero_share - weight.zero_rows
    if scattered < _SPARSE or name == "unknown":
        return scheme_named(name, text)
    return scheme_named("sparse", f"sparse {scattered:.0%} {text}")


def _by_numbers(origin: Drawn) -> tuple[SchemeName, str]:
    if origin.kind == "unknown":  # nearly equal values have a std of 0, which `_rounded` cannot divide by
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
    """Return the number with the fewest digits that are correct within the relative error."""
    texts = [f"{number:.{digits}g}" for digits in (1, 2, 3)]
    return next((text for text in texts if abs(float(text) / number - 1) <= 2.5 * error), texts[-1])


def _ends(origin: Drawn) -> str:
    """Return the bounds of a uniform distribution: one is the largest element, the other follows from the mean."""
    far = origin.bound + abs(origin.mean)
    near = 2 * abs(origin.mean) - far
    if abs(near) < 4 * 2 * origin.std / math.sqrt(origin.elements):
        near = 0.0
    low, high = (near, far) if origin.mean > 0 else (-far, -near)
    return f"uniform({low:.2g}, {high:.2g})"
