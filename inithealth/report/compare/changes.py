"""The differences between two saved reports: schemes, scales of weights and signals, verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from inithealth.evidence.wording import number
from inithealth.findings import Finding, Report
from inithealth.recording import Layer, Signal, Weight
from inithealth.report.identity import Spot, spots

_SPREADS = 5.0  # standard deviations of the std of this many random numbers: another seed changes less
_LEAST = 0.05  # smallest relevant relative difference of a std, however significant
_MANY = 2**53  # elements: a larger count makes no difference
_LEVEL = 2.0  # factor of an activation's or a gradient's rms, which also depends on the batch

What = Literal["model", "layer", "scheme", "std", "gain", "output", "gradient", "verdict"]
Size = Literal["std", "gain"]


class Change(BaseModel):
    """One difference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: What
    layer: str  # "" for the whole network
    old: str
    new: str
    worse: bool = False


def changes(old: Report, new: Report) -> tuple[Change, ...]:
    """Return the differences of the new report, verdicts first. Layers are matched by name."""
    return (*_models(old, new), *_verdicts(old, new), *_layers(old, new), *_signals(old, new))


def _models(old: Report, new: Report) -> Iterator[Change]:
    if old.model != new.model:
        yield Change(what="model", layer="", old=old.model, new=new.model)


def _verdicts(old: Report, new: Report) -> Iterator[Change]:
    """Yield changes for new, resolved, worse and improved causes: one for all layers with the same change."""
    before, now = _worst(old), _worst(new)
    seen: set[tuple[Finding | None, Finding | None]] = set()
    for spot in dict.fromkeys([*now, *before]):
        was, is_ = before.get(spot), now.get(spot)
        if _badness(was) != _badness(is_) and (was, is_) not in seen:
            seen.add((was, is_))
            worse = _badness(is_) > _badness(was)
            where = " ".join(filter(None, spot))
            yield Change(what="verdict", layer=where, old=_described(was), new=_described(is_), worse=worse)


def _worst(report: Report) -> dict[Spot, Finding]:
    worst: dict[Spot, Finding] = {}
    for cause in report.causes:
        for spot in spots(cause):
            if spot not in worst or _badness(cause) > _badness(worst[spot]):
                worst[spot] = cause
    return worst


def _badness(cause: Finding | None) -> int:
    return -1 if cause is None or cause.suppressed is not None else cause.severity.rank


def _described(cause: Finding | None) -> str:
    if cause is None:
        return "not found"
    return f"{cause.severity.value}: {cause.message}" if cause.suppressed is None else f"suppressed: {cause.suppressed}"


def _layers(old: Report, new: Report) -> Iterator[Change]:
    before, now = ({layer.name: layer for layer in report.layers} for report in (old, new))
    for name in (name for name in before if name not in now):
        yield Change(what="layer", layer=name, old="there", new="gone")
    for name, layer in now.items():
        if name in before:
            yield from _weights(before[name], layer)
        else:
            yield Change(what="layer", layer=name, old="not there", new="there")


def _weights(old: Layer, new: Layer) -> Iterator[Change]:
    if old.weight is None or new.weight is None:
        return
    names = [layer.scheme.name if layer.scheme else "" for layer in (old, new)]
    if names[0] != names[1] and not _drawn_alike(old.weight, new.weight):
        schemes = [layer.scheme.text if layer.scheme else "none known" for layer in (old, new)]
        yield Change(what="scheme", layer=new.name, old=schemes[0], new=schemes[1])
    sizes: tuple[Size, ...] = ("std", "gain")
    for what in sizes:
        was, is_ = _size_of(old.weight, what), _size_of(new.weight, what)
        if was is not None and is_ is not None and not _alike(was, is_, old.weight, new.weight):
            yield Change(what=what, layer=new.name, old=number(was), new=number(is_))


def _size_of(weight: Weight, what: Size) -> float | None:
    """Return the std or rms, also for values read from a file that no real weight has."""
    try:
        value = weight.std if what == "std" else weight.gain
    except OverflowError:
        return math.inf
    return math.nan if isinstance(value, complex) else value


def _count(shape: Sequence[int]) -> int:
    """Return the number of elements of a shape, which may be invalid if it is read from a file."""
    total = 1
    for size in shape:
        total = min(total * max(size, 1), _MANY)
    return total


def _drawn_alike(old: Weight, new: Weight) -> bool:
    """Return whether both may be samples of one initialization: a few numbers can match several names."""
    structure = [(w.constant, w.orthogonal, w.identity, w.zero_rows, w.duplicate_rows) for w in (old, new)]
    few = min(_count(old.shape), _count(new.shape))
    std = _alike(_size_of(old, "std") or 0.0, _size_of(new, "std") or 0.0, old, new)
    shape = old.kurtosis is None or new.kurtosis is None
    shape = shape or abs((old.kurtosis or 0.0) - (new.kurtosis or 0.0)) <= _SPREADS * math.sqrt(24 / few)
    return structure[0] == structure[1] and shape and std


def _alike(old: float, new: float, was: Weight, is_: Weight) -> bool:
    """Return whether two seeds of one initialization may differ this much."""
    if not (math.isfinite(old) and math.isfinite(new)):
        return old == new or (old != old and new != new)
    few = min(_count(was.shape), _count(is_.shape))
    return abs(new - old) <= max(_LEAST, _SPREADS / math.sqrt(few)) * max(abs(old), abs(new))


def _signals(old: Report, new: Report) -> Iterator[Change]:
    before = {m.layer: m for m in old.measurements}
    units = {layer.name: _count(layer.shape[:1]) for layer in new.layers}
    for m in new.measurements:
        was = before.get(m.layer)
        if was is not None:
            limit = max(_LEVEL, 1.0 + _SPREADS / math.sqrt(2 * units.get(m.layer, 1)))
            yield from _level("output", m.layer, was.output, m.output, limit)
            yield from _level("gradient", m.layer, was.gradient, m.gradient, limit)


def _level(what: What, layer: str, old: Signal | None, new: Signal | None, limit: float) -> Iterator[Change]:
    if old is None or new is None:
        return
    was, is_ = (s.rms if not s.non_finite and math.isfinite(s.rms) else math.inf for s in (old, new))
    if was != is_ and not max(was, is_) <= limit * min(was, is_):
        yield Change(what=what, layer=layer, old=_size(was), new=_size(is_))


def _size(rms: float) -> str:
    return number(rms) if math.isfinite(rms) else "not finite"
