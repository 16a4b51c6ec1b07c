"""The environment switch: ``INITHEALTH=1`` adds the callback to every Trainer, ``INITHEALTH=0`` disables it."""

from __future__ import annotations

import logging
import os

_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def disabled() -> bool:
    """Return whether the variable disables the callback."""
    return _word() in _OFF


def switch() -> bool | None:
    """Return True to add the callback, False to disable it, and None if the variable is not set."""
    word = _word()
    if word and word not in _ON + _OFF:
        logging.getLogger("inithealth").warning(
            "inithealth: INITHEALTH=%s is ignored: use 1 to add the callback, 0 to disable it", word
        )
    return True if word in _ON else False if word in _OFF else None


def _word() -> str:
    return os.environ.get("INITHEALTH", "").strip().lower()
