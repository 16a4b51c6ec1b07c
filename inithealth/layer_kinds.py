"""Kinds of layers, by what is computed with the weight, and groups of kinds that are treated the same way."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "linear",  # one matrix, the same for every input
    "conv",
    "bmm",  # a batch of matrices: experts
    "bilinear",
    "rnn",
    "embedding",  # a table of rows
    "norm",  # the weight of a normalization
    "scale",  # elementwise factors: LayerScale
    "other",  # added, or used in another way: positions, tokens
]
_Kinds: TypeAlias = frozenset[Kind]

PROJECTIONS: Final[_Kinds] = frozenset({"linear", "conv"})  # the kinds that the usual initializations were derived for
MATRICES: Final[_Kinds] = PROJECTIONS | {"bmm", "bilinear", "rnn"}  # multiply their input by a matrix
DRAWN: Final[_Kinds] = MATRICES | {"embedding"}  # initialized at random; the others are initialized with constants
ELEMENTWISE: Final[_Kinds] = frozenset({"norm", "scale"})  # multiply their input elementwise
