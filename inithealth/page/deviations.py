"""How far each layer is from what is expected there, step by step: what the page colors.

At the first step `expected` decides. Later, the reference is what training does to like layers: a layer deviates if its
size has changed by more than the median of its peers, or in the other direction. For a layer with fewer than two peers,
the median is that of all layers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inithealth.evidence.roles import level_role
from inithealth.page.expected import first_step
from inithealth.page.levels import READINGS, in_order, middle
from inithealth.page.zero_starts import ZERO_UNTIL, zero_starts
from inithealth.recording import Layer, Measurement, Recording, Step, Update

Numbers = NDArray[np.float64]
_FAULTY = 2.0  # octaves from which a layer that is off at the first step is no reference for others
_FEWEST_PEERS = 3  # layers of a role, with the layer itself, whose median is a reference
# Octaves by which training may move a layer away from its peers. In 1,000 steps of six healthy networks (ResNet, GPT,
# ViT, U-Net, LSTM, VAE) the rms of outputs moved by 3.7 at most, the norms of gradients by 7.4.
_TRAINED = {"forward": 3.0, "gradient": 5.0, "gain": 3.0}


class Deviations:
    """Computes the values of each step of one run.

    Args:
        recording: with the first recorded step.
        found: names of the rules that found something in a layer at that step, by layer name.
    """

    def __init__(self, recording: Recording, found: Mapping[str, Collection[str]]) -> None:
        self.layers = in_order(recording.layers)
        expected = first_step(recording, found)
        self.sources = expected.sources
        self._names = [layer.name for layer in self.layers]
        self.zero_starts = {name: zero_starts(recording, name, found) for name in ("forward", "gradient")}
        structural = frozenset(layer.name for layer in self.layers if layer.exempt_zero_gradient)
        intentional = {**self.zero_starts, "gain": self.zero_starts["forward"]}
        self._courses = _Courses(
            _groups(self.layers),
            _levels(self._sizes(recording.steps[0])),
            np.array([[expected.off[name].get(each, np.nan) for each in self._names] for name in READINGS]),
            np.array([[each in intentional[name] for each in self._names] for name in READINGS], dtype=bool),
            np.array(
                [[name == "gradient" and each in structural for each in self._names] for name in READINGS], dtype=bool
            ),
            np.array([[_TRAINED[name]] for name in READINGS]),
        )

    def values(self, step: Step) -> dict[str, Sequence[float]]:
        """Return the values of a step by statistic, one for each layer in forward order."""
        sizes = self._sizes(step)
        off = self._courses.off(_levels(sizes), step.index).tolist()
        return {
            **sizes,
            **{f"{name}_off": row for name, row in zip(READINGS, off, strict=True)},
            "update": self.updates(step.updates),
        }

    def updates(self, known: Mapping[str, Update]) -> list[float]:
        """Return the rms of each layer's change over that of its weight."""
        return [_update(known[name]) if name in known else np.nan for name in self._names]

    def centers(self, quantity: str) -> list[float | None]:
        """Return log2 of the expected size of each layer at the first step; None if it is not known."""
        centers = self._courses.centers[list(READINGS).index(quantity)].tolist()
        return [level if math.isfinite(level) else None for level in centers]

    def _sizes(self, step: Step) -> dict[str, list[float]]:
        """Return the sizes by quantity, and the share of dead units, in the order of the layers."""
        known = {m.layer: m for m in step.layers}
        measured = [known.get(name) for name in self._names]
        readings = {**READINGS, "dead": _dead}
        return {name: [math.nan if m is None else read(m) for m in measured] for name, read in readings.items()}


class _Courses:
    """The levels of all layers over the steps: a row for each quantity of `READINGS`, a column for each layer.

    Args:
        groups: places of the layers of each role with enough peers.
        first: levels at the first step.
        off: octaves by which they are off; NaN for those that cannot be judged.
        intentional: which layers may be zero at the start.
        always_zero: which layers may always be.
        tolerated: octaves by which training may move a layer away from its peers, by row.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        first: Numbers,
        off: Numbers,
        intentional: NDArray[np.bool_],
        always_zero: NDArray[np.bool_],
        tolerated: Numbers,
    ) -> None:
        self._groups, self._intentional, self._always_zero = groups, intentional, always_zero
        self._tolerated = tolerated
        self.centers = first - off
        # A layer that is zero at the start is compared with its first size; one that cannot be judged, never.
        self._start = np.where(np.isfinite(first) | np.isfinite(off), off, 0.0)
        self._as_expected = ~(abs(self._start) > _FAULTY)
        self._base = first.copy()

    def off(self, found: Numbers, step: int) -> Numbers:
        """Return the octaves by which each layer is off at a step; ``found`` has the levels."""
        known = np.isfinite(found)
        with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, as it should be here
            usual = np.array([self._usual(*row) for row in zip(found - self._base, self._as_expected, strict=True)])
            new = known & ~np.isfinite(self._base)
            self._base[new] = (found - usual)[new]
            changes = found - self._base
            # A layer that does not change never deviates: its peers may grow because they started near zero.
            usual = np.maximum(np.minimum(changes, np.maximum(usual, 0.0)), np.minimum(usual, 0.0))
            moved = _moved(self._start, changes - usual, self._tolerated)
        # NaN and infinite elements, and zeros that are not intentional, are shown even without an expected size.
        intentional = self._always_zero | (self._intentional & (step < ZERO_UNTIL))
        return np.where(known, moved, np.where(intentional & (found == -np.inf), np.nan, found))

    def _usual(self, changes: Numbers, as_expected: NDArray[np.bool_]) -> Numbers:
        """Return the median change of each layer's peers, without those that were off at the first step."""
        known = np.isfinite(changes)
        usable = known & as_expected
        if not usable.any():  # everything was off: what happens to all of it alike is the reference
            usable = known
        everywhere = changes[usable].tolist()
        usual = np.full(len(changes), middle(everywhere) if everywhere else 0.0)
        values, counted = changes.tolist(), usable.tolist()  # lists: reading single elements of arrays is slow
        for group in self._groups if everywhere else ():
            of_peers = [values[place] for place in group if counted[place]]
            if len(of_peers) >= _FEWEST_PEERS:
                usual[group] = middle(of_peers)
        return usual


def _moved(start: Numbers, octaves: Numbers, tolerated: Numbers) -> Numbers:
    """Return how far layers are off that started off by ``start`` and moved away from their peers by ``octaves``."""
    off = start + octaves
    remaining = np.where(off * start > 0, np.minimum(abs(off), abs(start)), 0.0)  # of what it was at the first step
    # A layer that was too small may recover to any size in its range, of which only the lower end is known here.
    recovered = np.where(off * start < 0, abs(start), 0.0)
    return np.copysign(np.maximum(abs(off) - tolerated - recovered, remaining), off)


def _groups(layers: Sequence[Layer]) -> list[list[int]]:
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, layer in enumerate(layers):
        places[level_role(layer)].append(place)
    return [group for group in places.values() if len(group) >= _FEWEST_PEERS]


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
