"""The place of an attribute in the source, and the reason why there is none."""

from __future__ import annotations

from typing import NamedTuple


class Refused(Exception):
    """The source cannot be edited; the message says why."""


class Place(NamedTuple):
    """The only statement that assigns an attribute of ``self``, and where code for the attribute belongs."""

    owner: str  # name of the class
    attributes: tuple[str, ...]  # that the statement assigns
    first: int  # its lines, from 1
    last: int
    after: int  # no code of the constructor after this line changes the attribute
    indent: str
    newline: str
    code: str  # of the statement
