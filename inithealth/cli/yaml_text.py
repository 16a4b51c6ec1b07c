"""Reads YAML of any origin: content that would never end, or fill the memory, is rejected before it is built."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

_MOST_VALUES = 20_000  # with aliases written out; a configuration of a large model has some hundred
_DEEPEST = 64


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads 1e-3 as a number; in YAML 1.1 it is a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


class _Extent(NamedTuple):
    """How many values something contains, itself included, and how many levels."""

    values: int = 1
    levels: int = 1


def parsed(text: str) -> Any:
    """Return the content. Raises ValueError with one line if it is not valid YAML, or grows too large."""
    try:
        _refuse_growth(text)
        return _Loader(text).get_single_data()
    except _Growth as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # the constructors of dates, numbers and binary data raise errors of many kinds
        raise ValueError(f"is not valid YAML: {' '.join(str(error).split())}") from None


class _Growth(Exception):
    """The content has too many values or levels."""


def _refuse_growth(text: str) -> None:
    """Add up the extents: an alias counts like what it stands for, which loading, printing and building repeat."""
    anchors: dict[str, _Extent] = {}
    opened: list[tuple[str | None, list[_Extent]]] = [(None, [])]
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, []))
            _check(len(opened), 0)
            continue
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in opened):
                raise _Growth("contains itself through an alias")
            extent, name = anchors.get(event.anchor, _Extent()), None
        elif isinstance(event, yaml.CollectionEndEvent):
            name, parts = opened.pop()
            extent = _Extent(
                1 + sum(part.values for part in parts), 1 + max((part.levels for part in parts), default=0)
            )
        elif isinstance(event, yaml.ScalarEvent):
            name, extent = event.anchor, _Extent()
        else:
            continue
        if name is not None:
            anchors[name] = extent
        opened[-1][1].append(extent)
        _check(len(opened) + extent.levels, extent.values + len(opened[-1][1]))


def _check(levels: int, values: int) -> None:
    if levels > _DEEPEST or values > _MOST_VALUES:
        raise _Growth(f"has more than {_MOST_VALUES} values, or more than {_DEEPEST} levels of them")
