"""The seconds of a check of deep networks, extrapolated from networks of the same width with few blocks."""

from __future__ import annotations

from collections.abc import Sequence

from .measured import measured

_KNOWN = {8192: (("LLaMA 70B", 80),), 12288: (("GPT-3 175B", 96),)}  # by width: name, number of blocks


def extrapolated(blocks: Sequence[int], width: int, memory: str, dtype: str) -> str:
    """Return a table."""
    few, many = min(blocks), max(blocks)
    seconds = {each: measured(each, width, memory, dtype)["seconds"] for each in (few, many)}
    block = (seconds[many] - seconds[few]) / (many - few)
    rest = seconds[few] - few * block
    lines = [f"width {width}, memory={memory}, {dtype}: {block:.1f} s for each block, {rest:.0f} s for the rest"]
    for name, layers in _KNOWN.get(width, ()):
        lines.append(f"{name}: {layers} blocks would take {(rest + layers * block) / 60:.0f} min")
    return "\n".join(lines)
