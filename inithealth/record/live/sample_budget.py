"""The number of elements of each activation and gradient that are sampled in a step."""

from __future__ import annotations

_MOST = 512  # elements of one sample: the standard error of an rms is 3 %, that of a share of 1 % is 0.4 %
_FIRST_STEP = 32  # times more at the first step, on which the initialization is judged
_FEWEST = 64
_BYTES = 2 * 4  # an output and a gradient per layer, of four bytes per element


def sample_size(sample_bytes: int, layers: int, *, first: bool) -> int:
    """Return the number of elements of one sample.

    Args:
        sample_bytes: memory limit for all samples of a step.
        layers: number of layers that share it.
        first: whether it is the first step.
    """
    share = sample_bytes // (_BYTES * max(1, layers))
    return max(_FEWEST, min(_MOST * _FIRST_STEP if first else _MOST, share))
