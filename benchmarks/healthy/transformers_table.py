"""Rows that describe small `transformers` architectures, and the networks built from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..nets import Case, Net

SEED = 0  # of the batches, which do not depend on the seed of the weights

Drawn = tuple[dict[str, Any], Callable[[Any], Tensor] | None]  # a batch, and a loss if the model has none
Draw = Callable[[Any, torch.Generator], Drawn]  # from the model's configuration


class Row(NamedTuple):
    """One architecture.

    ``sizes`` contains all differences from its default configuration: sizes, the ids of special tokens, and a few
    options without which it does not train.
    """

    kind: str  # the library's `model_type`
    model: str
    family: str
    draw: Draw
    sizes: dict[str, Any]


def net(row: Row) -> Net:
    return Net(f"transformers/{row.kind}", row.family, lambda: _case(row))


def _case(row: Row) -> Case:
    # Imported here, so names and families are available without the library.
    import transformers

    config = transformers.AutoConfig.for_model(row.kind, **row.sizes)
    for part in {id(config): config, id(config.get_text_config()): config.get_text_config()}.values():
        if hasattr(part, "use_cache"):
            part.use_cache = False  # as in the library's own trainer: a cache is only for generation
    model = getattr(transformers, row.model)(config)
    batch, loss = row.draw(config, torch.Generator().manual_seed(SEED))
    return Case(model, batch, loss)
