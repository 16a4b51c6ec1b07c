"""Correct and wrong initializations, applied to a model in place."""

from __future__ import annotations

import torch
from torch import nn


def scaled(model: nn.Module, gain: float) -> None:
    """Initialize every weight with ``std = gain / sqrt(fan_in)``, and every bias with zero; norms are unchanged."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=gain / fan_in**0.5)
            _no_bias(module)


def xavier(model: nn.Module, gain: float = 1.0) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, gain=gain)
            _no_bias(module)


def normal(model: nn.Module, std: float) -> None:
    """Initialize every weight with that ``std`` for any fan, and every bias with zero."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            nn.init.normal_(module.weight, std=std)
            _no_bias(module)


def fill(model: nn.Module, weight: float, bias: float = 0.0) -> None:
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.constant_(module.weight, weight)
            if module.bias is not None:
                nn.init.constant_(module.bias, bias)


def duplicate(layer: nn.Linear | nn.Conv2d, reader: nn.Linear | nn.Conv2d) -> None:
    """Make the second half of the layer's units copies of the first, with equal weights in ``reader``."""
    half = layer.weight.shape[0] // 2
    with torch.no_grad():
        layer.weight[half:] = layer.weight[:half]
        reader.weight[:, half:] = reader.weight[:, :half]
        if layer.bias is not None:
            layer.bias[half:] = layer.bias[:half]


def _no_bias(module: nn.Module) -> None:
    if isinstance(getattr(module, "bias", None), nn.Parameter):
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
