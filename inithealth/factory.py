"""``INITHEALTH=1 python train.py``: the callback in every Trainer, with no change to the code."""

from __future__ import annotations

import logging
import os
from typing import Any

_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def asked() -> bool | None:
    """What the environment says: add the callback, switch it off, or (None) nothing."""
    word = os.environ.get("INITHEALTH", "").strip().lower()
    if word and word not in _ON + _OFF:
        logging.getLogger("inithealth").warning("INITHEALTH=%s means nothing: 1 adds the callback, 0 stops it", word)
    return True if word in _ON else False if word in _OFF else None


def callbacks() -> list[Any]:
    """For Lightning's entry points ``callbacks_factory``: one callback, or none where nobody has asked for it."""
    if not asked():
        return []
    from inithealth.callback import InitHealth

    return [InitHealth.by_environment()]
