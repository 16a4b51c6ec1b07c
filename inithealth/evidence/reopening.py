"""What opens dead units: a bias of zero, a new weight, or neither, from an operation recomputed with these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from inithealth.evidence.limits import limit
from inithealth.evidence.units import DeadLimits, flat_side
from inithealth.recording import Layer, Measurement, Recording
from inithealth.theory.gains import octaves_off, recipe_gains

Opener = Literal["bias", "weight", "none"]


class ReopenLimits(DeadLimits):
    """When the units of a layer are dead, and what opens them."""

    min_units: int = limit(
        16,
        "fewest units of a layer that is checked, unless all of them are dead: the share of fewer units is noisy",
        unit="units",
    )
    max_closed_again: float = limit(
        0.1,
        "largest probability that a new weight leaves all units dead for it to be the fix; it is about 0.5 for one "
        "unit that reads positive inputs, and 0.06 for four",
        unit="probability",
    )
    min_weight_octaves: float = limit(
        1.5,
        "distance below common initializations from which weights, and not a usual bias, are the cause of dead units; "
        "as in weight-scale",
        unit="octaves (factors of 2)",
    )

    def are_dead(self, share: float, units: int) -> bool:
        """Return whether a layer with this share of dead units is unhealthy."""
        return share == 1.0 or (units >= self.min_units and share > self.of(units))


def opened_by(layer: Layer, m: Measurement, limits: ReopenLimits, *, dominated: bool) -> Opener:
    """Return what opens the dead units of a layer.

    Args:
        dominated: whether the layer's bias dominates its output. It counts where the operation could not be
            recomputed, where rounding has erased what a normalization would restore, and where the input is zero, so
            that nothing opens the units now, but the bias would close them later.
    """
    unclear = m.dead_without_bias is None or m.dead_redrawn == 1.0 or layer.normed
    if dominated and unclear:
        return "bias"
    if m.dead_without_bias is None:
        return "weight"
    if not limits.are_dead(m.dead_without_bias, m.units) and (dominated or not _is_too_small(layer, limits)):
        return "bias"
    if m.dead_redrawn is None:
        return "weight"
    again = min(m.dead_redrawn, 1.0) ** m.units > limits.max_closed_again or limits.are_dead(m.dead_redrawn, m.units)
    return "none" if again else "weight"


def at_output(layer: Layer, m: Measurement) -> bool:
    """Return whether the units are the model's outputs, which a rectifier directly after the layer sets to zero."""
    return layer.head and m.dead_without_bias is not None and flat_side(layer, m).behavior == "never activate"


def closing_biases(dead: Sequence[tuple[Layer, Measurement]], recording: Recording) -> list[Layer]:
    """Return the layers whose biases close the units: the dead layers, or normalizations between them and the units."""
    owners = {each.bias.name: each for each in recording.layers if each.bias is not None}
    return [owners.get(m.shifted_by, layer) for layer, m in dead]


def _is_too_small(layer: Layer, limits: ReopenLimits) -> bool:
    """Return whether the weights are far too small, so that any bias outweighs them."""
    if layer.weight is None or not layer.gain or layer.normed:
        return False
    return octaves_off(layer.gain, recipe_gains(layer, layer.weight)) < -limits.min_weight_octaves
