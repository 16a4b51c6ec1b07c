"""The batch of a check: random inputs of a given shape, a data module, or the target's own batch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from inithealth.call import Call
from inithealth.cli.errors import BadInput, guarded, theirs
from inithealth.cli.locations import load
from inithealth.cli.targets import Subject
from inithealth.sessions.first_batch import is_data_module
from inithealth.sessions.lightning_module import has_own, is_lightning

_SHAPE = re.compile(r"\s*(\d+(?:\s*,\s*\d+)*)\s*(?::\s*(?:torch\.)?(\w+))?\s*")
_BATCHES = (Tensor, Mapping, tuple, list, Call, DataLoader)
_TWO = 2  # values of an integer input of a model without embeddings


def batch_of(subject: Subject, data: str | None, shapes: Sequence[str]) -> Any:
    """Return the given batch or loader, else that of the target. Raises BadInput if there is none."""
    if data is not None and shapes:
        raise BadInput("give --data or --input, not both: each is a batch")
    if data is not None:
        return data_of(data, load(data))
    if shapes:
        rows = [module.num_embeddings for module in subject.model.modules() if isinstance(module, nn.Embedding)]
        # With a loss, the last of several inputs may be its target: small integers are valid classes of every
        # classifier.
        ids = min(rows, default=_TWO)  # integers that are valid for every embedding
        last = min(ids, _TWO) if subject.loss is not None and len(shapes) > 1 else ids
        inputs = (*(_random(text, ids) for text in shapes[:-1]), _random(shapes[-1], last))
        return inputs if len(inputs) > 1 else inputs[0]
    if subject.batch is not None:
        return subject.batch
    if subject.make_batch is not None:
        return theirs("making the batch", subject.make_batch)
    if is_lightning(subject.model) and has_own(subject.model, "train_dataloader"):
        with guarded("train_dataloader of the model"):
            return subject.model.train_dataloader()  # type: ignore[operator]
    raise BadInput(
        f"no batch: add --input {example(subject.model)} (a random one; repeat it for each input), "
        "or --data package.module:loader"
    )


def example(model: nn.Module) -> str:
    """Return sizes that may fit the model's first layer, in the format of ``--input``."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            return "32,20:int64"
        if isinstance(module, nn.Linear):
            return f"32,{module.in_features}"
        if isinstance(module, nn.Conv2d):
            return f"8,{module.in_channels},224,224"
    return "8,3,224,224"


def _random(text: str, values: int) -> Tensor:
    """Return random data for ``8,3,224,224[:dtype]``: normal numbers, or integers below ``values``."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadInput(f"--input {text!r}: write sizes and perhaps a dtype, as in 8,3,224,224 or 8,128:int64")
    shape, word = [int(size) for size in match[1].split(",")], match[2] or "float32"
    dtype = getattr(torch, word, None)
    if not isinstance(dtype, torch.dtype):
        raise BadInput(f"--input {text!r}: {word} is not a torch dtype")
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape, generator=generator).to(dtype)
    return torch.randint(values, shape, generator=generator).to(dtype)


def data_of(name: str, found: Any) -> Any:
    """Return a LightningDataModule, a loader or a batch; a class or function that creates one is called."""
    if isinstance(found, type) or (callable(found) and not isinstance(found, _BATCHES)):
        with guarded(f"taking a batch of {name}"):
            found = found()
    if isinstance(found, _BATCHES) or is_data_module(found):
        return found
    if isinstance(found, Iterable) and not isinstance(found, (str, nn.Module)):
        return iter(found)  # a loader of another library
    raise BadInput(f"{name} is a {type(found).__name__}: give a LightningDataModule, a DataLoader or a batch")
