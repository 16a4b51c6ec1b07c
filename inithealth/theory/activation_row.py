"""The type of the rows of the activation table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from inithealth.theory.elementwise import Function

_POSITIVE = frozenset({"relu", "softplus", "exp"})  # unbounded, but never negative


@dataclass(frozen=True)
class Activation:
    """The properties of one activation.

    Attributes:
        name: the name in reports.
        modules: classes of ``torch.nn``.
        functions: names in ``torch.nn.functional`` or ``torch``.
        nodes: autograd nodes, without ``Backward0``.
        saved: values saved by the node that distinguish it from other activations with the same node.
        parameters: arguments of its function after the input, with torch's defaults.
        kept: attributes in which the node saves a parameter, if the names differ.
        function: the activation as a function of an array; None if it is not elementwise.
        forward: 1 / sqrt(E[f(z)^2]), z ~ N(0, 1): the gain rms(W) sqrt(fan_in) that preserves the rms of the signal.
        backward: 1 / sqrt(E[f'(z)^2]): the gain that preserves the norm of the gradient.
        critical: gain at which chi_1 is 1 in a deep stack without biases; None if there is none.
        advised: ``torch.nn.init.calculate_gain``, if it differs from these.
        doubt: why the gains may be wrong for a network with this activation; "" if they are right.
        scheme: the usual initialization with it: "kaiming", "xavier" or "lecun".
        gain_name: torch's name for its gain in that scheme, if torch has one.
        low, high: a unit is dead if no input of the batch is between these; None if the slope is not zero there.
        hole: the slope is zero between ``low`` and ``high`` instead of outside.
        bounds: names of parameters that replace ``low`` and ``high``; "-" before a name negates it.
        flat: outputs beyond which it is saturated; ``flat_from`` is the corresponding absolute input.
        bounded: its outputs are bounded for every input.
        opens: its outputs are gates, between 0 and 1.
        rate: its outputs may be decay rates, followed by an exponential.
        set_by_bias: initial biases that dominate the weights are common with it.
        periodic: it is periodic, so large inputs do no harm.
        linear_at_zero: nearly linear for small inputs.
    """

    name: str
    modules: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    saved: Mapping[str, float | None] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    function: Function | None = None
    forward: float | None = None
    backward: float | None = None
    critical: float | None = None
    advised: float | None = None
    doubt: str = ""
    scheme: str = ""
    gain_name: str = ""
    low: float | None = None
    high: float | None = None
    hole: bool = False
    bounds: tuple[str, str] = ("", "")
    flat: tuple[float, float] | None = None
    flat_from: float | None = None
    bounded: bool = False
    opens: bool = False
    rate: bool = False
    set_by_bias: bool = False
    periodic: bool = False
    linear_at_zero: bool = False

    @property
    def dies(self) -> bool:
        """Whether its slope is exactly zero for some inputs."""
        return self.low is not None or self.high is not None

    def edges(self, parameters: tuple[float, ...] = ()) -> tuple[float | None, float | None]:
        """Return the bounds between which the slope is not zero (outside which, if it has a hole).

        Args:
            parameters: in the order of ``self.parameters``; empty for torch's defaults.
        """
        values = dict(zip(self.parameters, parameters, strict=False))

        def bound(name: str, default: float | None) -> float | None:
            value = values.get(name.removeprefix("-"))
            return default if value is None else -value if name.startswith("-") else value

        return bound(self.bounds[0], self.low), bound(self.bounds[1], self.high)

    def outputs(self, parameters: tuple[float, ...] = ()) -> tuple[float, float]:
        """Return the smallest and the largest output."""
        if not self.bounded:
            return (0.0 if self.name in _POSITIVE else -math.inf), math.inf
        low, high = self.edges(parameters)
        clips = low is not None and high is not None and not self.opens
        return (float(low or 0.0), float(high or 0.0)) if clips else (0.0 if self.opens else -1.0, 1.0)

    def saturating(self, parameters: tuple[float, ...] = ()) -> tuple[float | None, float | None]:
        """Return the bounds beyond which an input is too large, as opposed to off.

        These are the bounds of an activation with two of them, except a bound at zero, where a unit is off as in ReLU.
        """
        low, high = self.edges(parameters)
        if self.hole or low is None or high is None:
            return None, None
        return (low if low < 0 else None), (high if high > 0 else None)
