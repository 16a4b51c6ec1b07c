"""Amounts of memory as people write them: ``8GB``, ``500 MB``, ``7.5GiB``."""

from __future__ import annotations

import re

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([A-Za-z]*)\s*", re.ASCII)
_ADVICE = "write it as 8GB, 500MB or 7.5GiB"


def text_of(nbytes: int) -> str:
    """Return ``"8 GB"``, in the largest of the decimal units that gives at least 1."""
    unit = next((name for name in ("TB", "GB", "MB", "KB") if nbytes >= _UNITS[name]), "B")
    return f"{nbytes / _UNITS[unit]:.3g} {unit}"


def bytes_of(size: int | str) -> int:
    """Return the bytes of ``"8GB"`` (10**9 each), ``"8 GiB"`` (2**30 each) or a number. Raises ValueError."""
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        if match is None or match[2].upper() not in _UNITS:
            raise ValueError(f"{size!r} is not an amount of memory: {_ADVICE}")
        count = int(float(match[1]) * _UNITS[match[2].upper()])
    elif isinstance(size, bool) or not isinstance(size, int):
        raise ValueError(f"{size!r} is not an amount of memory: {_ADVICE}")
    else:
        count = size
    if count < 1:
        raise ValueError(f"the memory must be at least 1 byte, not {size!r}: {_ADVICE}")
    return count
