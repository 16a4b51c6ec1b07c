"""Everyday networks that process or generate images."""

from __future__ import annotations

from ..nets import Net
from . import (
    pictures_adversarial,
    pictures_blocks,
    pictures_coders,
    pictures_contrastive,
    pictures_convs,
    pictures_dense,
    pictures_detectors,
    pictures_diffusion,
    pictures_modern,
    pictures_restoration,
    pictures_retina,
    pictures_style,
    pictures_tokens,
)

NETS: tuple[Net, ...] = (
    *pictures_convs.NETS,
    *pictures_blocks.NETS,
    *pictures_modern.NETS,
    *pictures_tokens.NETS,
    *pictures_coders.NETS,
    *pictures_adversarial.NETS,
    *pictures_style.NETS,
    *pictures_diffusion.NETS,
    *pictures_dense.NETS,
    *pictures_restoration.NETS,
    *pictures_retina.NETS,
    *pictures_detectors.NETS,
    *pictures_contrastive.NETS,
)
