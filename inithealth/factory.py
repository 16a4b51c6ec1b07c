"""``INITHEALTH=1 python train.py``: the callback in every Trainer, with no change to the code."""

from __future__ import annotations

import logging
from typing import Any

from inithealth import environment


def callbacks() -> list[Any]:
    """Return one callback if the environment asks for it, for Lightning's ``callbacks_factory`` entry points."""
    try:
        if not environment.switch():
            return []
        from inithealth.integrations.lightning_callback import InitHealth

        return [InitHealth.by_environment()]
    except Exception as error:  # every Trainer calls this
        logging.getLogger("inithealth").warning("inithealth: not watched: %s: %s", type(error).__name__, error)
        return []
