"""How many elements of each activation and gradient are sampled in a step."""

from __future__ import annotations

_MOST = 512  # elements of one sample: an rms is known to +-3 %, a share of 1 % to +-0.4 %
_FIRST_STEP = 32  # times more at the first step, which the verdict on the initialization rests on
_FEWEST = 64
_BYTES = 2 * 4  # an output and a gradient of four bytes an element for every layer share the budget


def sample_size(sample_bytes: int, layers: int, *, first: bool) -> int:
    """Return the number of elements of one sample.

    Args:
        sample_bytes: most memory that all samples of a step take.
        layers: that share it.
        first: whether it is the first step.
    """
    share = sample_bytes // (_BYTES * max(1, layers))
    return max(_FEWEST, min(_MOST * _FIRST_STEP if first else _MOST, share))
