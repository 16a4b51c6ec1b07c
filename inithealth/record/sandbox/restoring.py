"""Runs every function that restores something, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Restore = Callable[[], None]
Failure = tuple[Any, BaseException]  # what could not be restored, and the error


class Restorers:
    """Functions that restore something; calling one again does no harm.

    Args:
        named: the functions with a description of what each restores.
    """

    def __init__(self, named: Iterable[tuple[Any, Restore]] = ()) -> None:
        self._named = list(named)

    def add(self, name: Any, restore: Restore) -> None:
        """Add one function."""
        self._named.append((name, restore))

    def run(self) -> Iterator[Failure]:
        """Call every function; yield those that raise, with their errors. An interrupted one is called again."""
        for name, restore in self._named:
            try:
                restore()
            except Exception as error:
                yield name, error
            except BaseException as interruption:
                yield name, interruption
                try:
                    restore()
                except BaseException as error:
                    yield name, error
