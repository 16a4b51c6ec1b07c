"""``INITHEALTH=1 python train.py``: the callback in every Trainer, with no change to the code."""

from __future__ import annotations

from typing import Any

from inithealth import environment


def callbacks() -> list[Any]:
    """Return one callback if the environment asks for it, for Lightning's ``callbacks_factory`` entry points."""
    if not environment.switch():
        return []
    from inithealth.integrations.lightning_callback import InitHealth

    return [InitHealth.by_environment()]
