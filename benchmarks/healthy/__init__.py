"""Networks with their authors' intended initialization: any finding at warning or above is a false alarm."""

from __future__ import annotations

from ..nets import Net
from . import (
    everyday_fields,
    everyday_pictures,
    everyday_sequences,
    everyday_vectors,
    timm_nets,
    torchvision_nets,
    transformers_nets,
)

EVERYDAY: tuple[Net, ...] = (
    *everyday_vectors.NETS,
    *everyday_sequences.NETS,
    *everyday_pictures.NETS,
    *everyday_fields.NETS,
)
NETS: tuple[Net, ...] = (*EVERYDAY, *torchvision_nets.NETS, *timm_nets.NETS, *transformers_nets.NETS)
