"""A recording as bytes for a checkpoint: compressed, with as many steps as fit a limit."""

from __future__ import annotations

import json
import zlib

from inithealth.recording import Recording, Step

_MOST_BYTES, _BYTES_PER_LAYER = 100_000, 200
_DIGITS = 8  # of each number: float32 has seven


def packed(recording: Recording) -> bytes:
    """Return the recording in at most 100 kB and 200 bytes a layer, as long as its layers and two steps fit in.

    The first step is kept, and the last ones, because the comparison of training with its start needs both.
    """
    most = _MOST_BYTES + _BYTES_PER_LAYER * len(recording.layers)
    first, *later = recording.steps or (None,)
    last = later[-1:]
    fixed, longer = (_saved_size(_compressed(recording, [first, *steps])) for steps in ([], last))
    room = (most - fixed) // max(1, longer - fixed)
    while True:
        kept = _thinned(later, max(1, room))
        data = _compressed(recording, [first, *kept])
        size = _saved_size(data)
        if size <= most or room <= 1:
            return data
        room = min(room - 1, room * most // size)


def unpacked(data: bytes) -> Recording:
    """Return the recording.

    Raises:
        ValueError: these bytes are not from :func:`packed`, or from another version.
    """
    try:
        text = zlib.decompress(data)
    except zlib.error as error:
        raise ValueError(f"not a compressed recording: {error}") from error
    return Recording.model_validate_json(text)


def _compressed(recording: Recording, steps: list[Step | None]) -> bytes:
    text = recording.model_copy(update={"steps": tuple(filter(None, steps))}).model_dump_json(exclude_defaults=True)
    rounded = json.loads(text, parse_float=lambda number: float(f"{float(number):.{_DIGITS}g}"))
    return zlib.compress(json.dumps(rounded, separators=(",", ":")).encode(), 9)


def _saved_size(data: bytes) -> int:
    """Return the size in a checkpoint: pickle's protocol 2, which `torch.save` uses, writes bytes as UTF-8."""
    return len(data.decode("latin-1").encode())


def _thinned(steps: list[Step], most: int) -> list[Step]:
    """Return this many steps: half of them the earliest, the others the last."""
    if len(steps) <= most:
        return steps
    early = most // 2
    return [*steps[:early], *steps[len(steps) - (most - early) :]]
