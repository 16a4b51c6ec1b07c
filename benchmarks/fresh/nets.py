"""The fresh healthy networks: new families with their authors' initialization."""

from __future__ import annotations

from benchmarks.healthy.transformers_table import net
from benchmarks.nets import Net

from . import (
    everyday,
    timm_nets,
    torchvision_nets,
    transformers_detectors,
    transformers_pictures,
    transformers_senses,
    transformers_text,
)

_TRANSFORMERS = (
    *transformers_text.ROWS,
    *transformers_pictures.ROWS,
    *transformers_detectors.ROWS,
    *transformers_senses.ROWS,
)
NETS: tuple[Net, ...] = (
    *everyday.NETS,
    *torchvision_nets.NETS,
    *timm_nets.NETS,
    *(net(row) for row in _TRANSFORMERS),
)
