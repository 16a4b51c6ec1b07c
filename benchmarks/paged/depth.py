"""The peak memory of a check over the depth of the network."""

from __future__ import annotations

from collections.abc import Sequence

from .measured import measured


def depths(layers: Sequence[int], width: int, memory: str, dtype: str) -> str:
    """Return a table."""
    lines = [f"width {width}, memory={memory}, {dtype}", "blocks  seconds  peak beyond the start (GB)  verdict"]
    for each in layers:
        found = measured(each, width, memory, dtype)
        verdict = "healthy" if found["healthy"] else "unhealthy"
        lines.append(f"{each:6} {found['seconds']:8.0f}  {found['beyond'] / 1e9:26.2f}  {verdict}")
    return "\n".join(lines)
