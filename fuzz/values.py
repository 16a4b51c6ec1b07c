"""Documents with fuzzed values: a real one in which some values are replaced."""

from __future__ import annotations

from random import Random
from typing import Any

import atheris

_WHOLE = (0, 1, 2, 7, 2**31, 2**62, -1, 2**63, 10**400)
_SIZES = (0.0, 1e-320, 1e-155, 0.5, 1.0, 1e155, 1e308, "NaN", "Infinity", -1.0, "-Infinity", None)
_TEXTS = (
    *("::error::x", " ::set-env name=A::b", "##[add-mask]x", "##vso[a]", "a" * 70 + " ::b", "\r\n::a"),
    *("\x1b[31m", "\u202e", "\ud800", "\x9b", "]]>", "</script>", "`" * 9, "|"),
    *("../../a.py:1", "/etc/passwd:1", "C:\\a.py:2", "https://x/a.py:3"),
)


def provider(data: bytes) -> atheris.FuzzedDataProvider:
    """Return a provider that does not run out: after the fuzzer's short inputs all values would be the same."""
    return atheris.FuzzedDataProvider(Random(data).randbytes(512) + data)  # numbers are taken from the end


@atheris.instrument_func
def changed(source: atheris.FuzzedDataProvider, document: Any, most: int = 6) -> Any:
    """Replace up to ``most`` values anywhere in a document."""
    for _ in range(source.ConsumeIntInRange(1, most)):
        places = list(_places(document))
        home, key = places[source.ConsumeIntInRange(0, len(places) - 1)]
        home[key] = value(source, home[key])
    return document


def _places(value: Any) -> Any:
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, each in inner:
        yield value, key
        yield from _places(each)


@atheris.instrument_func
def value(source: atheris.FuzzedDataProvider, old: Any) -> Any:
    """Return a value, more often one of the old value's type."""
    kind = source.ConsumeIntInRange(0, 9)
    if kind < 7 and isinstance(old, str):
        return text(source)
    if kind < 8 and isinstance(old, bool):
        return not old
    if kind < 8 and isinstance(old, int):
        return source.PickValueInList(list(_WHOLE))
    if kind < 8 and (isinstance(old, float) or old is None):
        return number(source)
    kind %= 5
    if kind < 2:
        return text(source) if kind else number(source)
    return ([old, old], {text(source): old}, None)[kind - 2]


@atheris.instrument_func
def text(source: atheris.FuzzedDataProvider) -> str:
    """Return a hostile text, or any characters."""
    if source.ConsumeBool():
        return "".join(source.PickValueInList(list(_TEXTS)) for _ in range(source.ConsumeIntInRange(1, 3)))
    return source.ConsumeUnicode(30)


@atheris.instrument_func
def number(source: atheris.FuzzedDataProvider) -> Any:
    """Return an extreme number, or any."""
    return source.PickValueInList(list(_SIZES)) if source.ConsumeIntInRange(0, 3) else source.ConsumeFloat()
