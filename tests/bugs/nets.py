"""Initialization bugs that shipped, as data: the network with the bug, its healthy twin, and what has to be said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from inithealth import Report, Severity
from tests.bugs import nets_memory as memory
from tests.bugs import nets_plain as plain
from tests.bugs import nets_transformers as transformers
from tests.rules.nets import Loss, judged


@dataclass(frozen=True)
class Bug:
    """``build(False)`` is the network as it shipped, ``build(True)`` the same as it was meant."""

    name: str  # of the project and its issue
    build: Callable[[bool], tuple[nn.Module, Any, Loss]]
    codes: tuple[str, ...]  # any of which names it
    severity: Severity
    culprits: str  # pattern of the modules that may be named first
    by_code: bool = True  # the fix is code that mends the weights

    def built(self, healthy: bool, seed: int = 0) -> tuple[nn.Module, Any, Loss]:
        torch.manual_seed(seed)
        return self.build(healthy)

    def report(self, healthy: bool, seed: int = 0) -> Report:
        return judged(*self.built(healthy, seed))

    def blames(self, module: str) -> bool:
        return re.fullmatch(self.culprits, module) is not None


INFO, WARNING, ERROR = Severity
BUGS: tuple[Bug, ...] = (
    Bug(
        "transformers-47458",
        transformers.scaling_asks_for_an_unqualified_name,
        ("IH108",),
        INFO,
        r"h\.\d+\..*c_proj",
    ),
    Bug("torchtitan-3334", transformers.depth_scaling_on_the_wrong_projection, ("IH108",), WARNING, r"layers\.\d+\.w2"),
    Bug("mmdetection-6432", memory.helper_handed_a_tensor, ("IH102",), WARNING, r"\d\.offsets\.0"),
    Bug("transformers-143", transformers.norms_drawn_like_matrices, ("IH106",), ERROR, r"(.*\.)?norm\d?"),
    Bug("transformers-26441", transformers.tied_embedding_of_std_one, ("IH106",), ERROR, r"wte|lm_head"),
    Bug("pytorch-72253", transformers.clones_of_one_layer, ("IH107",), INFO, r"layers\.0\..*"),
    Bug("pytorch-23854", plain.depthwise_fan_out, ("IH106", "IH201"), ERROR, r"2|6|10"),
    Bug("torchtitan-4783", memory.materialized_and_never_filled, ("IH102", "IH101"), ERROR, r"\d"),
    Bug("NeMo-Automodel-2991", memory.one_parameter_forgotten, ("IH102",), ERROR, r"2"),
    Bug("hifi-gan-145", memory.drawn_after_weight_norm, ("IH102",), WARNING, r"convs\.[67]"),
    Bug("cosmos-predict2.5-15", plain.both_adapters_zero, ("IH103",), ERROR, r"\d\.lora_[AB]"),
    Bug("pytorch-retinanet-10", plain.focal_loss_without_prior, ("IH208",), WARNING, r"12"),
    Bug("pytorch-6950", plain.twenty_layers_at_default, ("IH201", "IH301", "IH106"), ERROR, r"\d+"),
    Bug("softmax-twice", plain.softmax_twice, ("IH208",), ERROR, r"2", by_code=False),
)
