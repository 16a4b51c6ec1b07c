"""One safetensors file: its header is checked completely, its values are read in pieces.

The format is eight bytes with the length of the header, the header as JSON, and the values. The file is read and not
mapped: a mapped file that is truncated meanwhile, or on a disk that fails, would end the process without an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MOST_HEADER = 100_000_000  # bytes, the limit of the safetensors library
_PIECE = 2**24  # bytes that are read at once
_LENGTH = 8  # bytes of the header's length
_POINTER = b"version https://git-lfs"
DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "U16": torch.uint16,
    "I16": torch.int16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "U32": torch.uint32,
    "I32": torch.int32,
    "F32": torch.float32,
    "U64": torch.uint64,
    "I64": torch.int64,
    "F64": torch.float64,
    "C64": torch.complex64,
}


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes:
        start: place of its first byte in the file.
    """

    path: Path
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def read(self, target: Tensor) -> None:
        """Copy the values into a CPU tensor of the same shape, in its dtype. Raises ValueError.

        Besides the target, no more than one piece is in memory. The target's version, by which autograd detects
        changes in place, stays as it is.
        """
        if tuple(target.shape) != self.shape:
            raise ValueError(f"{self.name} has shape {list(self.shape)} in {self.path}, not {list(target.shape)}")
        try:
            with self.path.open("rb", buffering=0) as file, torch.no_grad():
                file.seek(self.start)
                self._fill(target.data, file)
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _fill(self, target: Tensor, file: Any) -> None:
        size = self.dtype.itemsize
        spare: Tensor | None = None
        for part in _parts(target, _PIECE // size):
            if part.dtype is self.dtype and part.is_contiguous():
                self._read_into(part.as_strided((part.numel(),), (1,)).view(torch.uint8), file)
                continue
            if spare is None:
                spare = torch.empty(min(_PIECE, self.bytes), dtype=torch.uint8)
            piece = spare[: part.numel() * size]
            self._read_into(piece, file)
            part.copy_(piece.view(self.dtype).view(part.shape))

    def _read_into(self, memory: Tensor, file: Any) -> None:
        view = memory.numpy().data
        while view:
            count = file.readinto(view)
            if not count:
                raise ValueError(f"{self.path} ends within {self.name}: it was truncated after it was opened")
            view = view[count:]


def _parts(target: Tensor, most: int) -> Iterator[Tensor]:
    """Yield views of at most so many elements, in the order of the elements."""
    if target.numel() <= most:
        if target.numel():
            yield target
        return
    rows = most // (target.numel() // len(target))
    for part in target.split(rows) if rows else target.unbind():
        yield from _parts(part, most)


def tensors_of(path: Path) -> dict[str, Stored]:
    """Return the tensors of a file by name. Raises ValueError if it is truncated or not a safetensors file."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start, header = _header(path, size, file.read(_LENGTH), file)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    header.pop("__metadata__", None)
    ranges = {name: _range(path, name, entry) for name, entry in header.items()}
    end = 0
    for name, (first, last) in sorted(ranges.items(), key=lambda item: item[1]):
        if first != end:
            raise _not(path, f"{name!r} starts at byte {first:,} of the data, not at {end:,}")
        end = last
    if size != start + end:
        what = "is truncated" if size < start + end else "has data after the last tensor"
        raise ValueError(f"{path} {what}: it has {size:,} bytes, and its header describes {start + end:,}")
    return {
        name: Stored(path, name, DTYPES[entry["dtype"]], tuple(entry["shape"]), start + ranges[name][0])
        for name, entry in header.items()
    }


def _header(path: Path, size: int, length: bytes, file: Any) -> tuple[int, dict[str, Any]]:
    """Return the place of the first value, and the header."""
    count = int.from_bytes(length, "little")
    if length + file.peek(len(_POINTER))[: len(_POINTER) - _LENGTH] == _POINTER:
        raise ValueError(f"{path} is a pointer of Git LFS with {size} bytes, not the file: run git lfs pull")
    if size < _LENGTH or count > _MOST_HEADER:
        raise _not(path, f"it has {size:,} bytes, and its header would have {count:,}")
    if _LENGTH + count > size:
        raise ValueError(
            f"{path} is truncated: it has {size:,} bytes, and its header alone ends at {_LENGTH + count:,}"
        )
    try:
        header = json.loads(file.read(count).decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _not(path, f"its header is not valid: {first_line(error)}") from None
    if not isinstance(header, dict):
        raise _not(path, "its header is not an object")
    return _LENGTH + count, header


def _range(path: Path, name: str, entry: Any) -> tuple[int, int]:
    """Return where the data of a tensor starts and ends, behind the header. Raises ValueError for an invalid entry."""
    try:
        word, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError):
        raise _not(path, f"{name!r} needs dtype, shape and data_offsets") from None
    if not isinstance(word, str) or word not in DTYPES:
        raise ValueError(f"{path}: {name!r} has dtype {word!r}, which is not supported: use one of {', '.join(DTYPES)}")
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise _not(path, f"{name!r} has an invalid shape or invalid data_offsets")
    first, last = offsets
    if last - first != prod(shape) * DTYPES[word].itemsize:
        raise _not(path, f"{name!r} has {last - first:,} bytes, which do not fit its shape {shape} of {word}")
    return first, last


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError if it has a key twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise ValueError(f"it has the key {twice!r} twice")
    return found


def first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _not(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is not a safetensors file: {why}")
