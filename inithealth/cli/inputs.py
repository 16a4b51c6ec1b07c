"""The batch that a model is judged by: typed as shapes, out of a data module, or the model's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inithealth.cli.errors import BadInput
from inithealth.cli.targets import Subject, guarded, load
from inithealth.sessions.lightning_module import is_lightning

_SHAPE = re.compile(r"\s*(\d+(?:\s*,\s*\d+)*)\s*(?::\s*(?:torch\.)?(\w+))?\s*")
_TWO = 2  # values of an integer input of a model without embeddings


def batch_of(subject: Subject, data: str | None, shapes: Sequence[str]) -> Any:
    """What was typed, else what came with the model. Raises BadInput where there is none."""
    if data is not None and shapes:
        raise BadInput("give --data or --input, not both: each is a batch")
    if data is not None:
        return _first_batch(data, load(data))
    if shapes:
        inputs = tuple(_random(text, subject.model) for text in shapes)
        return inputs if len(inputs) > 1 else inputs[0]
    if subject.batch is not None:
        return subject.batch
    if is_lightning(subject.model):
        with guarded("train_dataloader of the model"):
            return next(iter(subject.model.train_dataloader()))  # type: ignore[operator]
    raise BadInput(
        "no batch: add --input 8,3,224,224 (a random one), --data package.module:DataModule, or return it too"
    )


def _random(text: str, model: nn.Module) -> Tensor:
    """``8,3,224,224[:dtype]``: normal numbers; integers that every embedding of the model knows."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadInput(f"--input {text!r}: write sizes and perhaps a dtype, as in 8,3,224,224 or 8,128:int64")
    shape, word = [int(size) for size in match[1].split(",")], match[2] or "float32"
    dtype = getattr(torch, word, None)
    if not isinstance(dtype, torch.dtype):
        raise BadInput(f"--input {text!r}: {word} is no dtype of torch")
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape, generator=generator).to(dtype)
    rows = [module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)]
    return torch.randint(min(rows, default=_TWO), shape, generator=generator).to(dtype)


def _first_batch(name: str, found: Any) -> Any:
    """Of a LightningDataModule, a DataLoader, or what makes one of them."""
    with guarded(f"taking a batch of {name}"):
        made = not isinstance(found, type) and (hasattr(found, "__iter__") or hasattr(found, "train_dataloader"))
        source = found if made or not callable(found) else found()
        if hasattr(source, "train_dataloader"):
            source.prepare_data()
            source.setup("fit")
            source = source.train_dataloader()
        if not hasattr(source, "__iter__"):
            raise BadInput(f"{name} is a {type(source).__name__}: give a LightningDataModule or a DataLoader")
        return next(iter(source))
