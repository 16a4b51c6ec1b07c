"""Healthy networks of families that the benchmark did not contain, as their authors start them."""

from __future__ import annotations

from benchmarks.nets import Net

from . import everyday, timm_nets, torchvision_nets

NETS: tuple[Net, ...] = (*everyday.NETS, *torchvision_nets.NETS, *timm_nets.NETS)
