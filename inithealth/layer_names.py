"""Dotted names of layers, taken apart into text and numbers.

Two kinds of numbers are kept apart. A *position* is a whole part of the name, which ``nn.Sequential`` or
``nn.ModuleList`` gives: the 3 of ``blocks.3.fc1``. A *number* is any of them, also one that the author wrote
into a word: 3 and 1 of ``blocks.3.fc1``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"\d+")
_POSITION = re.compile(r"(?<![^.])\d+(?![^.])")  # between dots, or at an end of the name
_ANY = "*"


class NumberedName(NamedTuple):
    """A name taken apart: ``texts[0] + numbers[0] + texts[1] + ... + texts[-1]``."""

    texts: tuple[str, ...]  # one more than there are numbers
    numbers: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The name with ``*`` for each number: equal for layers that repeat each other."""
        return self.filled([_ANY] * len(self.numbers))

    def filled(self, numbers: Sequence[str]) -> str:
        """The name with other numbers. Raises ValueError if there are more or fewer than the name has."""
        return "".join(text + number for text, number in zip(self.texts, [*numbers, ""], strict=True))


def split_numbers(name: str) -> NumberedName:
    """Takes every number out: ``blocks.3.fc1`` has 3 and 1, its pattern is ``blocks.*.fc*``."""
    return NumberedName(tuple(_NUMBER.split(name)), tuple(_NUMBER.findall(name)))


def split_positions(name: str) -> NumberedName:
    """Takes the positions out: ``blocks.3.fc1`` has 3, its pattern is ``blocks.*.fc1``."""
    return NumberedName(tuple(_POSITION.split(name)), tuple(_POSITION.findall(name)))


def is_position(part: str) -> bool:
    """Whether a part of a dotted name is a position in a list of modules."""
    return _NUMBER.fullmatch(part) is not None


def words(name: str) -> tuple[str, ...]:
    """The parts of a name that are no positions: ``blocks.3.fc1`` has ``blocks`` and ``fc1``."""
    return tuple(part for part in name.split(".") if part and not is_position(part))


def without_numbers(name: str) -> str:
    """The name with every number deleted: ``conv1`` and ``conv2`` become ``conv``."""
    return _NUMBER.sub("", name)


def differing(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns in which rows of numbers, equally many in each, are not all equal."""
    return [place for place, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1]
