"""The networks to train: a fixed sample of a grid that is too large to train in full.

Every pair of an activation and an initialization has the same number of MLPs, and every fourth pair has a convolutional
network. Depth, width, normalization and skip connections are drawn from shuffled lists, so their frequencies do not
depend on the pair. Most networks are deep and without normalization, because shallow and normalized networks tolerate
nearly any initialization.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import TypeVar

T = TypeVar("T")

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu", "elu", "selu", "softplus", "alternating")
INITS = (
    "default",
    "xavier normal",
    "xavier uniform",
    "xavier bias 1",
    "he normal",
    "he uniform",
    "he normal fan_out",
    "he uniform fan_out",
    "he x2",
    "he /2",
    "lecun",
    "orthogonal",
    "orthogonal gain",
    "normal 0.001",
    "normal 0.01",
    "normal 0.02",
    "normal 0.1",
    "normal 1",
    "trunc_normal 0.02",
    "uniform 0.05",
    "positive 1",
    "positive /fan",
    "positive /sqrt(fan)",
    "sparse",
    "constant 0.01",
    "zeros",
    "zero last",
    "gpt",
)
RESIDUAL_ONLY = ("gpt",)  # without branches it equals "normal 0.02"

MLPS_PER_PAIR = 2
MOST = 610  # each is trained three times, which takes five seconds
DEPTHS = {
    "mlp": (2, 3, 4, 6, 8, 10, 12, 16, 18, 20, 22, 24, 28, 32, 36, 40, 50),
    "conv": (2, 3, 6, 8, 10, 12, 14, 16),
}
WIDTHS = {
    "mlp": (16, 32, 32, 32, 48, 48, 64, 64, 64, 64, 96, 96, 128, 128, 256),
    "conv": (8, 12, 16, 16, 24),
}
FORMS = (  # norm, skip
    *[("none", "none")] * 19,
    *[("batch", "none")] * 2,
    *[("layer", "none")] * 2,
    *[("none", "residual")] * 2,
    *[("batch", "residual")] * 1,
    *[("layer", "residual")] * 1,
)
RESIDUAL_FORMS = tuple(form for form in FORMS if form[1] == "residual")


@dataclass(frozen=True)
class Plan:
    """The description of a network: ``depth`` counts hidden layers, ``width`` counts units or channels."""

    activation: str
    init: str
    depth: int
    width: int
    norm: str  # "none", "batch" or "layer", before each activation
    skip: str  # "none" or "residual", blocks of two layers
    kind: str  # "mlp" or "conv"

    @property
    def name(self) -> str:
        conv = "conv " if self.kind == "conv" else ""
        return f"{self.activation} {self.init} {conv}{self.depth}x{self.width} norm:{self.norm} skip:{self.skip}"

    @property
    def family(self) -> str:
        """Return the unit of the split: networks of one family differ only in size or details."""
        return f"{self.activation}/{self.init}"


def dealt(cards: Sequence[T], random: Random) -> Iterator[T]:
    """Yield the cards in random order, reshuffled when all are used; the order is the same in every Python version."""
    while True:
        yield from sorted(cards, key=lambda _: random.random())


class _Dealer:
    """Draws the networks of one kind."""

    def __init__(self, kind: str, seed: int) -> None:
        random = Random(seed)
        self.kind = kind
        self.depths, self.widths = dealt(DEPTHS[kind], random), dealt(WIDTHS[kind], random)
        self.forms, self.residual_forms = dealt(FORMS, random), dealt(RESIDUAL_FORMS, random)
        self.names: set[str] = set()

    def plan(self, activation: str, init: str) -> Plan:
        """Return a plan that has not been drawn yet."""
        while True:
            norm, skip = next(self.residual_forms if init in RESIDUAL_ONLY else self.forms)
            depth = next(self.depths)
            if skip == "residual":
                depth = max(3, depth - 1 + depth % 2)  # the first layer and blocks of two layers
            plan = Plan(activation, init, depth, next(self.widths), norm, skip, self.kind)
            if plan.name not in self.names:
                self.names.add(plan.name)
                return plan


def _sample() -> Iterator[Plan]:
    mlps, convs = _Dealer("mlp", 1), _Dealer("conv", 2)
    for row, activation in enumerate(ACTIVATIONS):
        for column, init in enumerate(INITS):
            for _ in range(MLPS_PER_PAIR):
                yield mlps.plan(activation, init)
            if (row + column) % 4 == 0:
                yield convs.plan(activation, init)


def _shuffled(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Return the plans in random order, so the first few hundred are a representative sample."""
    return tuple(islice(dealt(plans, Random(3)), len(plans)))


PLANS: tuple[Plan, ...] = _shuffled(tuple(_sample()))[:MOST]
