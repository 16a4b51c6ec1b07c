"""The levels of all layers over the steps: a row for each quantity, a column for each layer.

A layer deviates if its size has changed by more than the median of its peers, or in the other direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from inithealth.page.batch_noise import BatchNoise
from inithealth.page.levels import READINGS, middle
from inithealth.page.zero_starts import ZERO_UNTIL

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROWS = tuple(READINGS)
FEWEST_PEERS = 3  # layers of a role, with the layer itself, whose median is a reference
_FAULTY = 2.0  # octaves from which a layer that is off at the first step is no reference for others
# Octaves by which training may move a layer away from its peers. In 1,000 steps of 57 healthy networks, layers moved by
# 3.2 at most in their outputs, and by 4.9 in their gradients; by 9 in one network whose loss was 1e-6.
_TRAINED = {"forward": 3.0, "gradient": 5.0, "gain": 3.0}
_TOLERATED = np.array([[_TRAINED[name]] for name in ROWS])
_GRADIENT = ROWS.index("gradient")


@dataclass(frozen=True)
class Start:
    """What is known of the layers at the first step. Arrays have a row for each quantity, a column for each layer."""

    groups: Sequence[Sequence[int]]  # places of the layers of each role with enough peers
    levels: Numbers
    off: Numbers  # octaves by which the levels are off; NaN for those that cannot be judged
    may_start_at_zero: Mask
    may_be_zero: Mask
    cut: Mask  # no gradient reaches the layer, although one should
    low: Numbers  # smallest healthy level where peers are no reference, NaN elsewhere; gradients relative to the last
    high: Numbers  # largest one


class Courses:
    """Computes by how many octaves each layer is off, step by step."""

    def __init__(self, start: Start) -> None:
        self._known = start
        self.centers = start.levels - start.off
        # A layer that is zero at the start is compared with its first size; one that cannot be judged, never.
        self._start = np.where(np.isfinite(start.levels) | np.isfinite(start.off), start.off, 0.0)
        self._as_expected = ~(abs(self._start) > _FAULTY)
        self._base = start.levels.copy()
        self._noise = BatchNoise(self._base.shape[1])
        self._any_cut = bool(start.cut.any())
        self._had_gradients = bool(np.isfinite(start.levels[_GRADIENT]).any())
        self._any_off = bool((abs(self._start) > 0).any())

    def off(self, found: Numbers, step: int) -> Numbers:
        """Return the octaves by which each layer is off at a step; ``found`` has the levels."""
        if self._any_cut:
            found = np.where(self._known.cut & np.isnan(found), -np.inf, found)
        known = np.isfinite(found)
        with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, as it should be here
            changes = found - self._base
            usual = self._usual(changes)
            new = known & ~np.isfinite(self._base)
            if new.any():
                self._base[new] = (found - usual)[new]
                changes = found - self._base
            # A layer that does not change never deviates: its peers may grow because they started near zero.
            usual = np.maximum(np.minimum(changes, np.maximum(usual, 0.0)), np.minimum(usual, 0.0))
            moved = self._moved(changes - usual, self._outside(found))
        # NaN and infinite elements, and zeros that are not intentional, are shown even without an expected size.
        intentional = self._known.may_be_zero | (self._known.may_start_at_zero & (step < ZERO_UNTIL))
        if self._had_gradients and not known[_GRADIENT].any():  # the loss has none, as a hinge loss that is learned
            intentional[_GRADIENT] = True
        return np.where(known, moved, np.where(intentional & (found == -np.inf), np.nan, found))

    def _moved(self, octaves: Numbers, outside: Numbers) -> Numbers:
        """Return how far layers are off that moved away from their peers by ``octaves``.

        ``outside`` is by how much they are outside their range; NaN if none is known.
        """
        start, off = self._start, self._start + octaves
        sign = np.sign(off)
        moved = np.abs(off) - _TOLERATED
        moved[_GRADIENT] -= self._noise.usual(octaves[_GRADIENT])
        if self._any_off:
            # A layer that was too small may recover to any size in its range, of which only the lower end is known.
            moved = np.where(off * start < 0, moved - np.abs(start), moved)
        moved = np.fmin(moved, outside * sign)
        moved[_GRADIENT] = self._noise.lasting(moved[_GRADIENT], sign[_GRADIENT])
        remaining: Numbers | float = 0.0
        if self._any_off:  # what is left of the fault of the first step
            remaining = np.where(off * start > 0, np.minimum(np.abs(off), np.abs(start)), 0.0)
        result: Numbers = np.maximum(moved, remaining) * sign
        return result

    def _outside(self, found: Numbers) -> Numbers:
        """Return the octaves by which layers are outside their range; NaN where none is known."""
        measured = found[_GRADIENT, np.isfinite(found[_GRADIENT])]
        level = found.copy()
        level[_GRADIENT] -= measured[-1] if len(measured) else np.nan
        outside: Numbers = level - np.minimum(np.maximum(level, self._known.low), self._known.high)
        return outside

    def _usual(self, changes: Numbers) -> Numbers:
        """Return the median change of each layer's peers, without those that were off at the first step."""
        known = np.isfinite(changes)
        # Lists: reading single elements of arrays is slow.
        rows = zip(changes.tolist(), (known & self._as_expected).tolist(), known.tolist(), strict=True)
        return np.array([self._usual_of(*row) for row in rows])

    def _usual_of(self, changes: list[float], usable: list[bool], known: list[bool]) -> list[float]:
        if not any(usable):  # everything was off: what happens to all of it alike is the reference
            usable = known
        everywhere = list(compress(changes, usable))
        if not everywhere:
            return [0.0] * len(changes)
        usual = [middle(everywhere)] * len(changes)
        for group in self._known.groups:
            of_peers = [changes[place] for place in group if usable[place]]
            if len(of_peers) >= FEWEST_PEERS:
                of_role = middle(of_peers)
                for place in group:
                    usual[place] = of_role
        return usual
