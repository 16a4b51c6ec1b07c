"""Parameters that the forward pass wrote: their stored values are not the cause, and a fix of them would be undone."""

from __future__ import annotations

from typing import NamedTuple

from inithealth.evidence.limits import Limits, limit
from inithealth.evidence.wording import verb
from inithealth.layer_names import is_position
from inithealth.recording import ForwardWrite, Layer, Recording, Weight


class WriteLimits(Limits):
    """How far a data-dependent initialization may amplify a channel that does not vary."""

    max_contrast: float = limit(
        50.0,
        "largest factor that the forward pass sets for a channel without variance, relative to the median of the "
        "channels that vary: a flow trained with 10 to 23, its loss exploded with 100",
        unit="ratio",
    )


class Written(NamedTuple):
    """A parameter that the forward pass wrote."""

    name: str
    how: ForwardWrite

    @property
    def module(self) -> str:
        """The module that holds it; the parameter itself if that is the model."""
        return self.name.rpartition(".")[0] or self.name


def written(recording: Recording, layer: Layer, parameter: Weight) -> Written | None:
    """Return which parameter the forward pass wrote: this one, or another that its layer's weight is computed from.

    None if none was written, or if the stored values were not finite.
    """
    names = [parameter.name]
    if layer.transformed:
        module = parameter.name.rpartition(".")[0]
        names += [name for name in recording.forward_writes if name.rpartition(".")[0] == module]
    for name in names:
        how = recording.forward_writes.get(name)
        if how is not None and not how.non_finite:
            return Written(name, how)
    return None


def first_broken(recording: Recording) -> Written | None:
    """Return the first parameter to which a forward pass wrote NaN or infinity, from an input and values without them.

    It need not be a layer's weight: the first module of a watched training has none in the graph of the gradients.
    """
    for name, how in recording.forward_writes.items():
        if how.broken and not how.non_finite and not how.broken_input:
            return Written(name, how)
    return None


def amplified(recording: Recording, limits: WriteLimits) -> list[tuple[Layer, Written]]:
    """Return the layers that amplify a channel without variance, in forward order.

    The output of dead units is exempt: no gradient makes it vary.
    """
    finite = [(layer, written(recording, layer, w)) for layer, w in recording.weighted if not w.non_finite]
    return [
        (layer, found)
        for layer, found in finite
        if found is not None and found.how.constants and found.how.source != "dead"
        if (found.how.contrast or 0.0) > limits.max_contrast
    ]


def why(found: Written) -> str:
    """Return the `cause` text: which module wrote the parameter, and from what."""
    how, start = found.how, f"the forward pass of {module(found)} sets {_own(found)} from the batch"
    if not how.constants:
        return (
            f"{start}; the stored values are finite, but it divides by a spread that is 0 for a unit without variance"
        )
    named = ", ".join(map(str, how.constant))
    more = f" and {how.constants - len(how.constant)} more" if how.constants > len(how.constant) else ""
    channels = f"{verb(how.constants, 'channel', 'channels')} {named}{more} of its {how.channels}"
    return f"{start}, in which {channels} {verb(how.constants, 'does', 'do')} not vary: it divides by a spread of 0"


def fix(found: Written) -> str:
    """Return advice that the next forward pass does not undo."""
    return (
        f"limit the spread that {module(found)} divides by, for example std.clamp(min=0.1), or let the first batch "
        f"vary in every channel; other values in {_own(found)} would be overwritten by the next forward pass"
    )


def module(found: Written) -> str:
    """Return the name of the module that wrote the parameter, as text."""
    path = found.name.rpartition(".")[0]
    return f"layer {path}" if is_position(path) else path or "the model"


def _own(found: Written) -> str:
    return found.name.rpartition(".")[2]
