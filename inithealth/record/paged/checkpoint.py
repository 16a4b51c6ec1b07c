"""The tensors of a checkpoint in safetensors files, found by the names of a model's parameters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from inithealth import saved
from inithealth.record.paged.shard import Stored, first_line, tensors_of, unique

_INDEX = "model.safetensors.index.json"
_MOST_INDEX = 64 * saved.MIB
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_CONVERT = "only safetensors are read: model.save_pretrained(folder, safe_serialization=True) writes them"


class Checkpoint:
    """The tensors of a folder of safetensors files, or of one file.

    Only the headers are read when it is created. The readers may run in several threads.
    """

    def __init__(self, tensors: Mapping[str, Stored]) -> None:
        self._tensors = dict(tensors)
        self.names = frozenset(self._tensors)

    @classmethod
    def of(cls, place: str | PathLike[str]) -> Checkpoint:
        """Return the checkpoint of a folder or a ``.safetensors`` file.

        In a folder, the files that ``model.safetensors.index.json`` names are read, without it all files whose names
        end in ``.safetensors``.

        Raises:
            ValueError: there is no such folder, no safetensors file in it, a file that the index names is missing, or a
                file is truncated or not a safetensors file.
        """
        place = Path(place)
        if place.is_dir():
            index = place / _INDEX
            try:
                return cls(_indexed(index) if index.exists() else _all(place))
            except OSError as error:
                raise ValueError(f"{place} cannot be read: {error.strerror or error}") from None
        if not place.exists():
            raise ValueError(f"there is no folder {place}")
        if place.suffix in _PICKLES:
            raise ValueError(f"{place}: {_CONVERT}")
        if not place.is_file():
            raise ValueError(f"{place} is neither a folder nor a file")
        return cls(tensors_of(place))

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def dtype(self, name: str) -> torch.dtype:
        return self._tensors[name].dtype

    def reader(self, name: str) -> Callable[[torch.Tensor], None]:
        """Return a function that copies the values into a CPU tensor of the same shape, converted to its dtype.

        The function raises ValueError if the tensor has another shape, or if the file cannot be read.
        """
        return self._tensors[name].read

    def matched(self, names: Iterable[str], tied: Iterable[Collection[str]] = ()) -> dict[str, str]:
        """Return the name in the checkpoint for each name of a model that is in it.

        A prefix that all names have on one side only, such as ``model.`` or ``transformer.``, is added or removed.

        Args:
            names: names of parameters and buffers.
            tied: names that share one tensor: a name that is not in the checkpoint gets the values of another one.
        """
        wanted = list(names)
        found = {name: name for name in wanted if name in self.names}
        rest = [name for name in wanted if name not in found]
        added = _most_frequent(stored.removesuffix(name) for stored, name in _endings(self.names, set(rest)))
        removed = _most_frequent(name.removesuffix(stored) for name, stored in _endings(rest, self.names))
        free = self.names - set(found)
        for name in rest:
            for stored in (added + name, name.removeprefix(removed)):
                if stored in free and name not in found:
                    found[name] = stored
                    free -= {stored}
        for group in tied:
            source = next((found[name] for name in group if name in found), None)
            if source is not None:
                found.update({name: source for name in group if name in wanted and name not in found})
        return found


def _endings(names: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each name with each known one that remains of it without some of its first modules."""
    for name in names:
        rest = name
        while "." in rest:
            rest = rest.partition(".")[2]
            if rest in known:
                yield name, rest


def _most_frequent(prefixes: Iterable[str]) -> str:
    """Return the most frequent prefix; "" if there is none, or if several are equally frequent."""
    best = Counter(prefixes).most_common(2)
    return "" if not best or (len(best) > 1 and best[0][1] == best[1][1]) else best[0][0]


def _all(folder: Path) -> dict[str, Stored]:
    """Return the tensors of all files of a folder."""
    files = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors" and path.is_file())
    if not files:
        if any(path.suffix in _PICKLES for path in folder.iterdir()):
            raise ValueError(f"{folder} has no safetensors file, and {_CONVERT}")
        raise ValueError(f"{folder} has no safetensors file")
    found: dict[str, Stored] = {}
    for path in files:
        for name, tensor in tensors_of(path).items():
            if name in found:
                raise ValueError(f"{name!r} is in {found[name].path} and in {path}: give one of the two files")
            found[name] = tensor
    return found


def _indexed(index: Path) -> dict[str, Stored]:
    """Return the tensors that an index names."""
    placed = _weight_map(index)
    files: dict[str, list[str]] = {}
    for name, file in placed.items():
        files.setdefault(file, []).append(name)
    found: dict[str, Stored] = {}
    for file, names in sorted(files.items()):
        path = index.parent / file
        if not path.is_file():
            raise ValueError(f"{path} is missing: {index.name} names it for {len(names)} of {len(placed)} tensors")
        tensors = tensors_of(path)
        for name in names:
            if name not in tensors:
                raise ValueError(f"{path} does not have {name!r}, which {index.name} names for it")
            found[name] = tensors[name]
    return found


def _weight_map(index: Path) -> dict[str, str]:
    """Return the file of each tensor. Raises ValueError if it is not an index, or names files of other folders."""
    try:
        content: Any = json.loads(saved.read(index, _MOST_INDEX).decode("utf-8"), object_pairs_hook=unique)
    except OSError as error:
        raise ValueError(f"{index} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{index} is not a valid index: {first_line(error)}") from None
    placed = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(placed, dict) or not placed:
        raise ValueError(f"{index} is not a valid index: it has no weight_map")
    for file in placed.values():
        if not isinstance(file, str) or not file.endswith(".safetensors") or set(file) & set("/\\\0"):
            raise ValueError(f"{index}: {file!r} is not the name of a safetensors file in this folder")
    return placed
