"""``--loss cross_entropy``, ``--loss module:function``: the loss function of the training."""

from __future__ import annotations

from typing import Any

from torch import nn

from inithealth.cli.errors import BadInput, theirs
from inithealth.cli.locations import load
from inithealth.suggest import unknown


def loss_of(text: str | None) -> Any:
    """Return a function of torch.nn.functional or a user-defined one; a class is instantiated. Raises BadInput."""
    if text is None:
        return None
    if any(mark in text for mark in ":./"):
        found = load(text)
    else:
        known = [name for name in dir(nn.functional) if not name.startswith("_")]
        if text not in known or not callable(getattr(nn.functional, text)):
            losses = [name for name in known if any(word in name for word in ("loss", "entropy", "div"))]
            advice = unknown("function of torch.nn.functional", text, losses)
            raise BadInput(f"--loss {text!r}: {advice}; a loss of your own is package.module:function")
        found = getattr(nn.functional, text)
    if isinstance(found, type):
        found = theirs(f"calling {text}", found)
    if not callable(found):
        raise BadInput(f"--loss {text!r} is a {type(found).__name__}: give a function of the output and the target")
    return found
