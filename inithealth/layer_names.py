"""Dotted names of layers, split into text and numbers.

A *number* is any digits in the name: 3 and 1 of ``blocks.3.fc1``. A *position* is a number between dots, which
``nn.Sequential`` or ``nn.ModuleList`` assigns: 3 of ``blocks.3.fc1``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"\d{1,18}")  # longer ones are several numbers: Python refuses to convert very long ones
_POSITION = re.compile(r"(?<![^.])(?:0|[1-9][0-9]{0,17})(?![^.])")  # between dots, or at an end of the name
_ANY = "*"


class NumberedName(NamedTuple):
    """A split name: ``texts[0] + numbers[0] + texts[1] + ... + texts[-1]``."""

    texts: tuple[str, ...]  # one more than there are numbers
    numbers: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The name with ``*`` for each number: equal for the same layer of different blocks."""
        return self.filled([_ANY] * len(self.numbers))

    def filled(self, numbers: Sequence[str]) -> str:
        """Return the name with other numbers. Raises ValueError if their count differs."""
        return "".join(text + number for text, number in zip(self.texts, [*numbers, ""], strict=True))


def split_numbers(name: str) -> NumberedName:
    """Split at every number: ``blocks.3.fc1`` has 3 and 1, its pattern is ``blocks.*.fc*``."""
    return NumberedName(tuple(_NUMBER.split(name)), tuple(_NUMBER.findall(name)))


def split_positions(name: str) -> NumberedName:
    """Split at the positions only: ``blocks.3.fc1`` has 3, its pattern is ``blocks.*.fc1``."""
    return NumberedName(tuple(_POSITION.split(name)), tuple(_POSITION.findall(name)))


def is_position(part: str) -> bool:
    """Return whether a part of a dotted name is a position in a list of modules."""
    return _POSITION.fullmatch(part) is not None


def words(name: str) -> tuple[str, ...]:
    """Return the parts of a name that are not positions: ``blocks`` and ``fc1`` of ``blocks.3.fc1``."""
    return tuple(part for part in name.split(".") if part and not is_position(part))


def without_numbers(name: str) -> str:
    """Return the name without its numbers: ``conv1`` and ``conv2`` become ``conv``."""
    return _NUMBER.sub("", name)


def differing(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the indices of the columns in which the rows differ. All rows have the same length."""
    return [place for place, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1]
