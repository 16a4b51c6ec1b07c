"""``INITHEALTH=1 python train.py``: the callback in every Trainer, with no change to the code."""

from __future__ import annotations

import os
from typing import Any


def callbacks() -> list[Any]:
    """For Lightning's entry points ``callbacks_factory``: one callback, or none where nobody has asked for it."""
    if os.environ.get("INITHEALTH") != "1":
        return []
    from inithealth.callback import InitHealth

    return [InitHealth.by_environment()]
