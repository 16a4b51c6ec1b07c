"""What a report keeps of a run besides the first step's measurements: the connections, and the values of its steps."""

from __future__ import annotations

from pydantic import BaseModel

from inithealth.recorded_tensor import Count, Frozen, Signal


class _Frozen(BaseModel):
    model_config = Frozen.model_config


class Flow(_Frozen):
    """How the network is connected and trained, and how it was read."""

    normalized: bool = False  # the network has normalization layers
    trunk_normalized: bool = False  # the residual trunk itself is normalized
    branches: Count = 0  # residual branches between input and loss
    inputs: dict[str, Signal] = {}  # floating-point tensors of the batch, by name
    optimizer: str = ""
    exact: bool = True  # every element was read; otherwise a sample
    step: Count = 0  # of the measurements: the first recorded one


class StepValues(_Frozen):
    """The sizes of all layers at the recorded steps, in a bounded number of bytes."""

    steps: tuple[Count, ...]  # in ascending order
    values: dict[str, str]  # by statistic: base64 of little-endian float32, steps x layers in forward order
    thinned: str | None = None  # which steps were left out; None: none
