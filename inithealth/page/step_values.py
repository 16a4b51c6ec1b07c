"""The values of one step in 32 bytes a layer, and how the page receives the values of all steps.

A block is the little-endian float32 of all layers, statistic by statistic. NaN: not measured. Infinity: NaN or infinite
elements were measured. In the ``_off`` statistics, -Infinity is an exact zero where none is expected.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

STATISTICS = ("forward", "gradient", "gain", "update", "forward_off", "gradient_off", "gain_off", "dead")
_BYTES = 4  # of a float32


def packed(values: Mapping[str, Sequence[float]]) -> bytes:
    """Return the block of one step; all statistics have the same number of layers."""
    block = array("f")
    for name in STATISTICS:
        block.extend(values[name])
    if sys.byteorder == "big":
        block.byteswap()
    return block.tobytes()


def unpacked(block: bytes) -> dict[str, list[float]]:
    """Return the values of a block by statistic."""
    numbers = array("f", block)
    if sys.byteorder == "big":
        numbers.byteswap()
    layers = len(numbers) // len(STATISTICS)
    return {name: list(numbers[place * layers : (place + 1) * layers]) for place, name in enumerate(STATISTICS)}


def size(layers: int) -> int:
    """Return the bytes of a block."""
    return _BYTES * len(STATISTICS) * layers


def columns(blocks: Sequence[bytes]) -> dict[str, str]:
    """Return the base64 of steps x layers by statistic."""
    width = len(blocks[0]) // len(STATISTICS) if blocks else 0
    return {
        name: b64encode(b"".join(block[place * width : (place + 1) * width] for block in blocks)).decode()
        for place, name in enumerate(STATISTICS)
    }


def blocks(values: Mapping[str, str], steps: int, layers: int) -> list[bytes]:
    """Return the blocks of which `columns` made these values. Raises ValueError if they are of another size."""
    width, parts = layers * _BYTES, []
    for name in STATISTICS:
        data = b64decode(values.get(name, ""), validate=True)
        if len(data) != steps * width:
            raise ValueError(f"{name} has {len(data)} bytes, not {steps * width}")
        parts.append([data[place * width : (place + 1) * width] for place in range(steps)])
    return [b"".join(row) for row in zip(*parts, strict=True)]


def evenly(amount: int, most: int) -> Sequence[int]:
    """Return at most ``most`` indices of ``amount`` steps, always with the first and the last one."""
    if amount <= most:
        return range(amount)
    if most < 2:
        return [0][:most]
    return sorted({round(place * (amount - 1) / (most - 1)) for place in range(most)})
