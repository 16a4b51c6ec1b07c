"""Frozen results on the forward pass: constants at zero, undefined operations, distributions, unfilled buffers."""

from __future__ import annotations

from typing import Literal

from inithealth.recorded_tensor import Count, Factor, Frozen, Share, Size


class ZeroFactor(Frozen):
    """Constants at exactly zero that stop signals and gradients: buffers, frozen parameters, numbers in the code."""

    names: tuple[str, ...]  # of the buffers and frozen parameters; () if they are neither
    text: str  # what each is: "buffer", "number in the code"
    parameters: tuple[str, ...]  # whose gradient is zero because of them
    matrix: bool = False  # whether one is the matrix of a product, which has no neutral element of ones


class Singularity(Frozen):
    """An operation that is undefined at the values of its operand, overflows, or has an infinite slope there."""

    operation: str  # "a division by zero"
    layers: tuple[str, ...] = ()  # the nearest upstream layers of the operand
    constant: str = ""  # the buffer or frozen parameter that is the operand
    share: Share = 1.0  # share of the operand's elements
    forward: bool = True  # the result is undefined; otherwise only the slope
    largest: float | None = None  # the largest operand that does not overflow; None: the operation does not overflow


class OneSidedParameter(Frozen):
    """A mean or the logarithm of a scale that is never negative, because of an activation after the layer that sets it.

    A mean is one here only if the loss pulls it to zero from both sides.
    """

    layer: str
    role: Literal["mean", "log_scale"]
    activation: str


# "angle": the buffer multiplies something, and sine or cosine are computed from the product; "positions": it multiplies
# positions; "values": its values enter another operation.
BufferUse = Literal["angle", "positions", "values"]


class UnfilledBuffer(Frozen):
    """A buffer or frozen parameter that no initialization has written, and how the forward pass uses it."""

    name: str  # as in named_buffers() or named_parameters()
    module: str  # the name in findings: that of its module, or its own
    use: BufferUse
    abs_max: Size = 0.0  # of the elements that are not NaN
    non_finite: Count = 0  # NaN or infinite elements
    parameter: bool = False  # a frozen parameter
    persistent: bool = True  # checkpoints contain it
    refill: str = ""  # method of its module that fills it; "" if none is known
    source: str | None = None


class GeneratedWeight(Frozen):
    """A weight that another layer generates, as in a hypernetwork, and how the product with it is used."""

    layer: str  # its output is the weight
    rms: Size  # of the weight
    fan_in: Count
    fan_out: Count
    activation: str | None = None  # first non-linearity after the product
    activation_parameters: tuple[float, ...] = ()
    multiplied: Factor = 1.0  # constant factor between the product and that activation
    normed: bool = False  # a normalization follows the product, perhaps after the activation
    bypassed: bool = False  # another signal joins that of the product, as after a skip connection
    last: bool = False  # the product leads to the loss without an activation
    plain: bool = True  # the weight is the output of the layer, rearranged and times a constant
    upstream: Count | None = None  # position in the recording of the last one that the signal passed through before


LONG = 4.0  # tokens for which a state lasts that remembers


class Decay(Frozen):
    """The decay of a state in a recurrence: exp(-rate * step) at each token."""

    layer: str  # the layer that computes the step; "" if unknown
    bias: str  # the parameter that is added to its output; "" without one
    rates: tuple[str, ...]  # the parameters of the rates
    lasting: Size  # share of the states, over tokens and samples, that last more than LONG tokens
    memory: Size  # median time, in tokens, over which a state decays to 1 / e
