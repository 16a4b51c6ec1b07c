"""How far each layer is from what is expected there, step by step: what the page colors.

At the first step `expected` decides. Later, the reference is what training does to like layers: a layer deviates if its
size has changed by more than the median of its peers, or in the other direction.

For a layer with fewer than two peers, the median is that of all layers. This is a weak reference: the logits grow while
the network learns, and gradients fall more at the head than in branches that open. So is the first size of a layer that
starts near zero. Such a layer deviates only if its size is also outside the range that is healthy at the first step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np

from inithealth.evidence.roles import level_role
from inithealth.page.courses import FEWEST_PEERS, ROWS, Courses, Mask, Numbers, Start
from inithealth.page.expected import FirstStep, first_step
from inithealth.page.healthy_ranges import Found
from inithealth.page.levels import READINGS, in_order, last_finite
from inithealth.page.zero_starts import zero_starts
from inithealth.recording import Layer, Measurement, Recording, Step, Update

_NEAR_ZERO = math.log2(0.03)  # octaves below the largest size, as in signal-drift: a smaller one grows intentionally
_NO_GRADIENT = "no-gradient"  # name of the rule


class Deviations:
    """Computes the values of each step of one run.

    Args:
        recording: with the first recorded step.
        found: names of the rules that found something in a layer at that step, by layer name.
    """

    def __init__(self, recording: Recording, found: Found) -> None:
        self.layers = in_order(recording.layers)
        expected = first_step(recording, found)
        self.sources = expected.sources
        self._names = [layer.name for layer in self.layers]
        self.zero_starts = {name: zero_starts(recording, name, found) for name in ("forward", "gradient")}
        self._courses = Courses(self._start(recording, found, expected))

    def values(self, step: Step) -> dict[str, Sequence[float]]:
        """Return the values of a step by statistic, one for each layer in forward order."""
        sizes = self._sizes(step)
        off = self._courses.off(_levels(sizes), step.index).tolist()
        return {
            **sizes,
            **{f"{name}_off": row for name, row in zip(ROWS, off, strict=True)},
            "update": self.updates(step.updates),
        }

    def updates(self, known: Mapping[str, Update]) -> list[float]:
        """Return the rms of each layer's change over that of its weight."""
        return [_update(known[name]) if name in known else np.nan for name in self._names]

    def centers(self, quantity: str) -> list[float | None]:
        """Return log2 of the expected size of each layer at the first step; None if it is not known."""
        centers = self._courses.centers[ROWS.index(quantity)].tolist()
        return [level if math.isfinite(level) else None for level in centers]

    def _start(self, recording: Recording, found: Found, expected: FirstStep) -> Start:
        first = _levels(self._sizes(recording.steps[0]))
        zero = {**self.zero_starts, "gain": self.zero_starts["forward"]}
        structural = {layer.name for layer in self.layers if layer.exempt_zero_gradient}
        cut = {layer.name for layer in self.layers if _NO_GRADIENT in found.get(layer.name, ())}
        groups = _groups(self.layers)
        low, high = self._bounds(expected, first, groups)
        return Start(
            groups=groups,
            levels=first,
            off=np.array([[expected.off[row].get(each, np.nan) for each in self._names] for row in ROWS]),
            may_start_at_zero=self._mask(zero),
            may_be_zero=self._mask({"gradient": structural}),
            cut=self._mask({"gradient": cut}),
            low=low,
            high=high,
        )

    def _bounds(self, expected: FirstStep, first: Numbers, groups: Sequence[Sequence[int]]) -> tuple[Numbers, Numbers]:
        """Return the smallest and the largest healthy level of layers without a reference; NaN for others."""
        near_zero, unknown = _near_zero(first), (math.nan, math.nan)
        bounds = np.array([[expected.healthy[row].get(name, unknown) for name in self._names] for row in ROWS])
        low, high = bounds.reshape(len(ROWS), len(self._names), 2).transpose(2, 0, 1)
        # What started at a usual size may not become arbitrarily small, except predictions.
        inner = np.array([layer.inner for layer in self.layers], dtype=bool)
        for row, level in expected.smallest.items():
            at = ROWS.index(row)
            usual = np.isneginf(low[at]) & ~near_zero[at] & inner
            start = first[at] - (last_finite(first[at].tolist()) if row == "gradient" else 0.0)
            low[at] = np.where(usual, np.fmin(start, level), low[at])
        with_peers = [place for group in groups for place in group]
        near_zero[:, [place for place in range(len(self._names)) if place not in with_peers]] = True
        return np.where(near_zero, low, np.nan), np.where(near_zero, high, np.nan)

    def _mask(self, names: Mapping[str, Collection[str]]) -> Mask:
        """Return which layers are named, by quantity."""
        return np.array([[each in names.get(row, ()) for each in self._names] for row in ROWS], dtype=bool)

    def _sizes(self, step: Step) -> dict[str, list[float]]:
        """Return the sizes by quantity, and the share of dead units, in the order of the layers."""
        known = {m.layer: m for m in step.layers}
        measured = [known.get(name) for name in self._names]
        readings = {**READINGS, "dead": _dead}
        return {name: [math.nan if m is None else read(m) for m in measured] for name, read in readings.items()}


def _groups(layers: Sequence[Layer]) -> list[list[int]]:
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, layer in enumerate(layers):
        places[level_role(layer)].append(place)
    return [group for group in places.values() if len(group) >= FEWEST_PEERS]


def _near_zero(first: Numbers) -> Mask:
    """Return where the first size is nearly zero relative to the largest one; gains are never."""
    with np.errstate(invalid="ignore"):
        largest = np.max(np.where(np.isfinite(first), first, -np.inf), axis=1, keepdims=True, initial=-np.inf)
        near: Mask = first < largest + _NEAR_ZERO
    near[ROWS.index("gain")] = False
    return near


def _levels(sizes: Mapping[str, Sequence[float]]) -> Numbers:
    """Return log2 of the sizes, a row for each quantity: -infinity for 0, NaN and infinity unchanged."""
    with np.errstate(divide="ignore"):
        found: Numbers = np.log2(np.array([sizes[name] for name in READINGS], dtype=float))
    return found


def _update(update: Update) -> float:
    return update.change / update.weight if update.weight > 0 else np.nan


def _dead(m: Measurement) -> float:
    """Return the share of dead units or saturated elements, whichever is larger."""
    if m.dead_share is None and m.saturated_share is None:
        return np.nan
    return max(m.dead_share or 0.0, m.saturated_share or 0.0)
