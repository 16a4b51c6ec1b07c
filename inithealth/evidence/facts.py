"""What several rules ask of one recording, computed once, by the limits that the settings give.

The facts are attached to the recording, so that a rule needs nothing else: ``Rule.check(recording)``. A copy of a
recording keeps the limits; its facts are computed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar
from weakref import ref

from inithealth.evidence.limits import SharedLimits
from inithealth.recording import Recording

T = TypeVar("T")
L = TypeVar("L", bound=SharedLimits)


class _Facts:
    """Values by the function that computes them, of exactly one recording."""

    def __init__(self, recording: Recording | None, limits: Sequence[SharedLimits]) -> None:
        # Weak: with a cycle the recording would stay in memory until the garbage collector finds it.
        self._recording = None if recording is None else ref(recording)
        self.limits = tuple(limits)
        self.values: dict[Callable[[Recording], Any], Any] = {}

    def belong_to(self, recording: Recording) -> bool:
        return self._recording is not None and self._recording() is recording

    def __eq__(self, other: object) -> bool:
        """Recordings of equal numbers are equal, whatever has been computed of them."""
        return other is None or isinstance(other, _Facts)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled without the values, and without the recording, which is another one then."""
        return _Facts, (None, self.limits)


def with_limits(recording: Recording, limits: Iterable[object]) -> Recording:
    """A copy of the recording that is judged by these limits; the recording itself where it is so already.

    Args:
        limits: rules, or others; those that are no SharedLimits are left out. They replace earlier ones of their kind.
    """
    shared = [each for each in limits if isinstance(each, SharedLimits)]
    known = _limits(recording)
    if all(any(each is other for other in known) for each in shared):
        return recording
    copy = recording.model_copy()
    copy._facts = _Facts(copy, (*shared, *known))
    return copy


def limits_of(recording: Recording, kind: type[L]) -> L:
    """The limits of that kind that the recording is judged by: its defaults where the settings give none."""
    return next((each for each in _limits(recording) if isinstance(each, kind)), None) or kind()


def fact(compute: Callable[[Recording], T]) -> Callable[[Recording], T]:
    """Makes a function of a recording compute its value once."""

    @wraps(compute)
    def once(recording: Recording) -> T:
        values = _facts(recording).values
        if compute not in values:
            values[compute] = compute(recording)
        value: T = values[compute]
        return value

    return once


def _facts(recording: Recording) -> _Facts:
    if not (isinstance(recording._facts, _Facts) and recording._facts.belong_to(recording)):
        recording._facts = _Facts(recording, _limits(recording))
    found: _Facts = recording._facts
    return found


def _limits(recording: Recording) -> tuple[SharedLimits, ...]:
    return recording._facts.limits if isinstance(recording._facts, _Facts) else ()
