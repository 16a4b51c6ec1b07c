"""Healthy and faulty networks whose page must be gray, or colored where the fault is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from tests.zoo import faulty, healthy, more_healthy
from tests.zoo.case import Case

HEALTHY: dict[str, Callable[[], Case]] = {
    "resnet": healthy.zero_gamma_resnet,
    "gpt": healthy.tied_gpt,
    "vit": more_healthy.layer_scale_vit,
    "unet": healthy.unet,
    "lstm": healthy.lstm,
    "vae": more_healthy.variational_autoencoder,
}


def large_embedding() -> Case:
    case = healthy.tied_gpt()
    embedding = next(module for module in case.model.modules() if isinstance(module, nn.Embedding))
    with torch.no_grad():
        embedding.weight.mul_(500)
    return case


def zero_layer() -> Case:
    model, case = faulty.he_perceptron("zero_layer")
    nn.init.zeros_(model.linears[4].weight)
    return case


# The fault, the statistic that shows it, and the sign of the deviation; 0: an exact zero.
FAULTY: dict[str, tuple[Callable[[], Case], str, int]] = {
    "small layers in the middle": (faulty.small_middle, "gain_off", -1),
    "exploding weights": (faulty.unit_normal_relu, "gain_off", 1),
    "dead units by their biases": (faulty.deep_bias, "gain_off", 1),
    "large head": (faulty.loud_head, "gain_off", 1),
    "large embedding": (large_embedding, "forward_off", 1),
    "zero layer": (zero_layer, "gain_off", 0),
}
