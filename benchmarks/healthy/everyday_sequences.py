"""Small healthy networks for text, series and other sequences."""

from __future__ import annotations

from ..nets import Net
from .everyday import adapted, forecasts, places, recurrent, signals, state_spaces, text, transducers

NETS: tuple[Net, ...] = (
    *recurrent.NETS,
    *transducers.NETS,
    *text.NETS,
    *places.NETS,
    *signals.NETS,
    *state_spaces.NETS,
    *forecasts.NETS,
    *adapted.NETS,
)
