"""The kinds of layers, by what is computed from the weight, and the groups of kinds that are treated alike."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "linear",  # one matrix, the same for every input
    "conv",
    "bmm",  # a batch of matrices: experts
    "bilinear",
    "rnn",
    "embedding",  # rows that are looked up
    "norm",  # the weight of a normalization
    "scale",  # multiplied element by element: LayerScale
    "other",  # added or used in another way: positions, tokens
]
_Kinds: TypeAlias = frozenset[Kind]

PROJECTIONS: Final[_Kinds] = frozenset({"linear", "conv"})  # those that the usual initializations were derived for
MATRICES: Final[_Kinds] = PROJECTIONS | {"bmm", "bilinear", "rnn"}  # multiply their input by a matrix
DRAWN: Final[_Kinds] = MATRICES | {"embedding"}  # at a random initialization of their own; the rest is set by formulas
ELEMENTWISE: Final[_Kinds] = frozenset({"norm", "scale"})  # multiply their input element by element
