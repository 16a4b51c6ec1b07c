"""Converts a batch to a call of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Call:
    """Arguments of one call: ``Call(x, mask=m)`` means ``model(x, mask=m)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    @classmethod
    def of(cls, batch: Any) -> Call:
        """Return the call that a batch represents.

        A tensor or other object is ``model(batch)``, a tuple or list ``model(*batch)``, a mapping ``model(**batch)``.

        Raises:
            TypeError: a key of the mapping is not a string.
        """
        if isinstance(batch, Call):
            return batch
        if isinstance(batch, Mapping):
            if not all(isinstance(key, str) for key in batch):
                raise TypeError("the mapping's keys are not argument names: inithealth.Call(batch) is model(batch)")
            return cls(**batch)
        # A named tuple, such as a PackedSequence, is one argument: its fields have no meaning on their own.
        if isinstance(batch, (tuple, list)) and not hasattr(batch, "_fields"):
            return cls(*batch)
        return cls(batch)

    def __repr__(self) -> str:
        words = [repr(arg) for arg in self.args] + [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"Call({', '.join(words)})"
