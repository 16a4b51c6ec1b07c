"""What a row of the activation table says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inithealth.theory.elementwise import Function


@dataclass(frozen=True)
class Activation:
    """What is known of one activation.

    Attributes:
        name: as users know it; the name in reports.
        modules: classes of ``torch.nn``.
        functions: names in ``torch.nn.functional`` or ``torch``.
        nodes: autograd nodes, without ``Backward0``.
        saved: values that such a node has saved, if other activations have the same node.
        parameters: what its function takes besides the input, and torch's defaults.
        kept: names by which the node saves a parameter, where they differ.
        function: what it does to an array; None where it does more than change each value.
        forward: 1 / sqrt(E[f(z)^2]), z ~ N(0, 1): the gain rms(W) sqrt(fan_in) that keeps the size of the signal.
        backward: 1 / sqrt(E[f'(z)^2]): the gain that keeps the size of a gradient.
        critical: gain at which chi_1 passes 1 in a deep stack without biases; None where there is none.
        advised: ``torch.nn.init.calculate_gain``, where it differs from these.
        doubt: why the gains may not hold for a network that has this activation; "" where they do.
        scheme: the initialization in common use with it: "kaiming", "xavier" or "lecun".
        gain_name: torch's name for its gain by that scheme, where torch has one.
        low, high: a unit is dead if no input of the batch is between these; None where the slope is not zero.
        hole: the slope is zero between ``low`` and ``high``, not outside.
        bounds: names of parameters that replace ``low`` and ``high``; "-" before a name negates it.
        flat: outputs beyond which it is saturated, and ``flat_from`` the size of the input at which it is.
        bounded: its outputs are never large, whatever the input.
        opens: its outputs weigh another signal, from 0 to 1.
        rate: its outputs may be the rates of a decay, the exponential behind it.
        set_by_bias: a bias that outweighs the weights is a common start.
        periodic: no place of its input is worse than another.
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
        """Whether there are inputs at which its slope is exactly zero."""
        return self.low is not None or self.high is not None

    def edges(self, parameters: tuple[float, ...] = ()) -> tuple[float | None, float | None]:
        """The bounds between which the slope is not zero (outside which, for one with a hole).

        Args:
            parameters: in the order of ``self.parameters``; empty for torch's defaults.
        """
        values = dict(zip(self.parameters, parameters, strict=False))

        def bound(name: str, default: float | None) -> float | None:
            value = values.get(name.removeprefix("-"))
            return default if value is None else -value if name.startswith("-") else value

        return bound(self.bounds[0], self.low), bound(self.bounds[1], self.high)

    def saturating(self, parameters: tuple[float, ...] = ()) -> tuple[float | None, float | None]:
        """The edges beyond which an input is too large rather than shut out.

        Those of a signal that is bounded on both sides, but for one at zero, which is a ReLU's.
        """
        low, high = self.edges(parameters)
        if self.hole or low is None or high is None:
            return None, None
        return (low if low < 0 else None), (high if high > 0 else None)
