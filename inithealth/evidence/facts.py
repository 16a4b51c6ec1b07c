"""Values that several rules derive from a recording, computed once with the limits from the settings.

They are cached in the recording, so that a rule needs no other argument: ``Rule.check(recording)``. A copy of a
recording keeps the limits but not the cached values.
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
    """The cached values of one recording, by the function that computes them."""

    def __init__(self, recording: Recording | None, limits: Sequence[SharedLimits]) -> None:
        # A weak reference: a cycle would keep the recording in memory until the garbage collector runs.
        self._recording = None if recording is None else ref(recording)
        self.limits = tuple(limits)
        self.values: dict[Callable[[Recording], Any], Any] = {}

    def belong_to(self, recording: Recording) -> bool:
        return self._recording is not None and self._recording() is recording

    def __eq__(self, other: object) -> bool:
        """Compare equal to any cache: recordings with equal numbers are equal, whatever is cached."""
        return other is None or isinstance(other, _Facts)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the limits only: the values and the recording belong to the original."""
        return _Facts, (None, self.limits)


def with_limits(recording: Recording, limits: Iterable[object]) -> Recording:
    """Return a copy of the recording with these limits; the recording itself if it has them already.

    Args:
        limits: rules or other objects; those that are not SharedLimits are ignored. They replace earlier limits of
            the same class.
    """
    shared = [each for each in limits if isinstance(each, SharedLimits)]
    known = _limits(recording)
    if all(any(each is other for other in known) for each in shared):
        return recording
    copy = recording.model_copy()
    copy._facts = _Facts(copy, (*shared, *known))
    return copy


def limits_of(recording: Recording, kind: type[L]) -> L:
    """Return the recording's limits of a class; the defaults if the settings give none."""
    return next((each for each in _limits(recording) if isinstance(each, kind)), None) or kind()


def fact(compute: Callable[[Recording], T]) -> Callable[[Recording], T]:
    """Return a function that caches its value in the recording."""

    @wraps(compute)
    def once(recording: Recording) -> T:
        values = _facts(recording).values
        if compute not in values:
            values[compute] = compute(recording)
        value: T = values[compute]
        return value

    return once


def _facts(recording: Recording) -> _Facts:
    # Read once: access to a private attribute of a pydantic model is slow.
    found = recording._facts
    if isinstance(found, _Facts) and found.belong_to(recording):
        return found
    made = _Facts(recording, found.limits if isinstance(found, _Facts) else ())
    recording._facts = made
    return made


def _limits(recording: Recording) -> tuple[SharedLimits, ...]:
    found = recording._facts
    return found.limits if isinstance(found, _Facts) else ()
