"""Where the first NaN comes from: an operation that is undefined at zero, and the layers upstream of it."""

from __future__ import annotations

from inithealth.evidence import fixes
from inithealth.evidence.facts import fact
from inithealth.evidence.loss_heads import largest_of
from inithealth.evidence.wording import called, span
from inithealth.recording import Layer, Recording, Singularity

# Variants of findings that are consequences: the operand is zero because all units there are dead, or it is too large.
DEAD, OVERFLOW = "dead units", "infinite exponential"


@fact
def at_start(recording: Recording) -> Singularity | None:
    """Return the undefined operation if the loss or a gradient is not finite at the first step; else None."""
    first = recording.steps[0] if recording.steps else None
    return recording.singularity if first is not None and first.index == 0 and first.broken else None


def sources(recording: Recording) -> list[Layer]:
    """Return the layers whose outputs enter the undefined operation, the last one first.

    Of an overflow, only those with the largest outputs.
    """
    found = at_start(recording)
    if found is not None and found.largest is not None:
        return largest_of(recording, found.layers)
    known = {layer.name: layer for layer in recording.layers}
    return [known[name] for name in found.layers if name in known] if found is not None else []


def operation(recording: Recording) -> str:
    """Return the undefined operation, as ``a division by zero``; "" if it is not known."""
    found = at_start(recording)
    return "" if found is None else found.operation


def description(recording: Recording) -> str:
    """Return the operation and its place, as ``a division by zero after head``; "" if it is not known."""
    found, layers = at_start(recording), sources(recording)
    if found is None:
        return ""
    place = f" after {span(layers)}" if layers else ""
    place += f", because {found.constant} is exactly zero" if found.constant else ""
    dead = ": all units there are dead" if of_dead_units(recording) else ""
    return f"{found.operation}{place}{_partly(found)}{dead}"


def of_dead_units(recording: Recording) -> bool:
    """Return whether all units of a layer whose output enters the undefined operation are dead."""
    measured = recording.first
    names = [layer.name for layer in sources(recording)]
    return any(name in measured and measured[name].dead_share == 1.0 for name in names)


def variant(recording: Recording) -> str:
    """Return why the operation is undefined, if another finding reports that: :data:`DEAD`, :data:`OVERFLOW` or ""."""
    found = at_start(recording)
    if found is not None and found.largest is not None and sources(recording):
        return OVERFLOW
    return DEAD if of_dead_units(recording) else ""


def _partly(found: Singularity) -> str:
    return "" if found.share == 1.0 else f" ({max(found.share, 0.001):.1%} of the values)"


def fix(recording: Recording) -> str:
    """Return the fix of the operation itself; "" if its place in the model is not known."""
    found, layers = at_start(recording), sources(recording)
    if found is None or not (found.constant or layers):
        return ""
    if found.largest is not None:
        return fixes.each(layers) if layers else ""
    if found.constant:
        return f"# or the values that the constructor writes:\n{fixes.ones([found.constant])}"
    where = f" after {called(layers[0])}"
    name = "the division" if "division" in found.operation else found.operation.split(" of ")[0]
    return f"add an epsilon to {name}{where}, as F.normalize, nn.RMSNorm and torch.clamp(x, min=1e-6) do"
