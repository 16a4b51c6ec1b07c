"""120 more networks of the forecast, with new activations, new initializations and new sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

from benchmarks.forecast.grid import ACTIVATIONS, FORMS, INITS, RESIDUAL_ONLY, Plan, dealt

SEED = 23  # of the weights and the batches
NEW_ACTIVATIONS = ("mish", "hardswish", "celu", "relu6", "softsign", "hardtanh", "prelu", "leaky_relu .3")
NEW_INITS = (
    "lecun uniform",
    "he bias 0.1",
    "he bias -0.5",
    "he x1.4",
    "xavier x3",
    "xavier /2",
    "orthogonal x2",
    "normal 0.05",
    "normal 0.3",
    "uniform 0.3",
    "laplace",
    "identity",
    "he first x10",
    "he last x10",
    "he middle /30",
    "he shifted",
)
DEPTHS = {"mlp": (3, 5, 7, 9, 11, 14, 15, 17, 21, 26, 30, 34, 45), "conv": (4, 5, 7, 9, 11, 13)}
WIDTHS = {"mlp": (24, 40, 40, 56, 80, 80, 112, 160), "conv": (10, 14, 20)}
PLANS_OF_EACH = 40  # new activation and known init, known activation and new init, both new
CONVS = 4  # every fourth network is convolutional


def _sample() -> Iterator[Plan]:
    random = Random(29)
    known_inits = tuple(init for init in INITS if init not in RESIDUAL_ONLY)
    pairs = ((NEW_ACTIVATIONS, known_inits), (ACTIVATIONS, NEW_INITS), (NEW_ACTIVATIONS, NEW_INITS))
    forms = dealt(FORMS, random)
    sizes = {kind: (dealt(DEPTHS[kind], random), dealt(WIDTHS[kind], random)) for kind in DEPTHS}
    for activations, inits in pairs:
        each = zip(dealt(activations, random), dealt(inits, random), strict=False)
        for number, (activation, init) in enumerate(islice(each, PLANS_OF_EACH)):
            kind = "conv" if number % CONVS == CONVS - 1 else "mlp"
            norm, skip = next(forms)
            depths, widths = sizes[kind]
            depth = next(depths)
            if skip == "residual":
                depth = max(3, depth - 1 + depth % 2)  # odd: the first layer and blocks of two layers
            yield Plan(activation, init, depth, next(widths), norm, skip, kind)


PLANS: tuple[Plan, ...] = tuple(_sample())
