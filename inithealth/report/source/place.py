"""The place of an attribute in the source, and the reason why there is none."""

from __future__ import annotations

from typing import NamedTuple


class Refused(Exception):
    """The source cannot be edited; the message says why."""


class Ambiguous(Refused):
    """Code in the constructor that builds a layer would not do what the fix does."""


class Place(NamedTuple):
    """The code of a constructor that assigns attributes of ``self``, and where code for the attributes belongs.

    It is one statement, or the whole constructor.
    """

    owner: str  # name of the class
    attributes: tuple[str, ...]  # that the code assigns
    first: int  # its lines, from 1
    last: int
    after: int  # no code of the constructor after this line changes the attribute
    indent: str
    newline: str
    code: str
