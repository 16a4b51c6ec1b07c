"""The small healthy networks that read text, series and other sequences."""

from __future__ import annotations

from ..nets import Net
from .everyday import adapted, forecasts, recurrent, signals, text

NETS: tuple[Net, ...] = (*recurrent.NETS, *text.NETS, *signals.NETS, *forecasts.NETS, *adapted.NETS)
