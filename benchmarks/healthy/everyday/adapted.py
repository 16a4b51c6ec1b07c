"""Healthy, mostly frozen networks: LoRA, adapters, prompts, scaled activations, new heads, random features."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws
from .backbone import LENGTH, VOCABULARY, WIDTH, Backbone, pretrained

CLASSES = 4


class LowRank(nn.Module):
    """LoRA as in PEFT: A uniform like any linear layer, B zero."""

    def __init__(self, base: nn.Linear, rank: int = 4, alpha: int = 8) -> None:
        super().__init__()
        self.base_layer, self.scaling = base, alpha / rank
        self.lora_dropout = nn.Dropout(0.05)
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=5**0.5)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base_layer(x) + self.lora_B(self.lora_A(self.lora_dropout(x))) * self.scaling


class Bottleneck(nn.Module):
    """Houlsby's adapter after a frozen layer: weights with std 0.001, so it starts near the identity."""

    def __init__(self, base: nn.Linear, size: int = 16) -> None:
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(base.out_features, size), nn.Linear(size, base.out_features)
        for linear in (self.down, self.up):
            nn.init.trunc_normal_(linear.weight, std=1e-3)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.base(x)
        return x + self.up(F.gelu(self.down(x)))


class Rescaled(nn.Module):
    """(IA)3: the output of a frozen layer, multiplied by a learned vector of ones."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base, self.scale = base, nn.Parameter(torch.ones(base.out_features))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) * self.scale


class Classifier(nn.Module):
    """A new head on the mean of the states, initialized like the backbone's own layers."""

    def __init__(self, backbone: Backbone, prompts: int = 0) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, nn.Linear(WIDTH, CLASSES)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)
        if prompts:
            chosen = backbone.words.weight[torch.randint(VOCABULARY, (prompts,))]
            self.prompt = nn.Parameter(chosen.detach().clone())

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.backbone.words(tokens) + self.backbone.places
        if hasattr(self, "prompt"):
            x = torch.cat([self.prompt.expand(len(x), -1, -1), x], 1)
        return self.classifier(self.backbone.encode(x).mean(1))


class RandomFeatures(nn.Module):
    """A random layer that is never trained; only the layer that reads it is."""

    def __init__(self, features: int = 256) -> None:
        super().__init__()
        self.hidden = nn.Linear(32, features).requires_grad_(False)
        self.read = nn.Linear(features, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(torch.tanh(self.hidden(x)))


def texts(model: nn.Module) -> Case:
    return draws.classifying(model, *draws.texts(32, LENGTH, VOCABULARY, CLASSES))


def wrapped(wrapper: Any, layers: tuple[str, ...]) -> Case:
    """Return a backbone with the named layers of every block wrapped."""
    backbone = pretrained()
    for block in backbone.blocks:
        for name in layers:
            setattr(block, name, wrapper(getattr(block, name)))
    return texts(Classifier(backbone))


def biases_only() -> Case:
    """BitFit: only the biases of the backbone are trained."""
    model = Classifier(pretrained())
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith("bias") or name.startswith("classifier"))
    return texts(model)


def whole() -> Case:
    """The whole backbone is trained further, with a new head."""
    return texts(Classifier(pretrained()).requires_grad_(True))


NETS: tuple[Net, ...] = (
    Net("everyday/lora", "LoRA", lambda: wrapped(LowRank, ("query", "value"))),
    Net(
        "everyday/lora_everywhere", "LoRA", lambda: wrapped(LowRank, ("query", "key", "value", "output", "up", "down"))
    ),
    Net("everyday/houlsby_adapter", "adapter", lambda: wrapped(Bottleneck, ("output", "down"))),
    Net("everyday/rescaled_activations", "rescaled activations", lambda: wrapped(Rescaled, ("key", "value", "up"))),
    Net("everyday/prompt_tuning", "prompt tuning", lambda: texts(Classifier(pretrained(), prompts=8))),
    Net("everyday/biases_only", "biases only", biases_only),
    Net("everyday/linear_probe", "new head", lambda: texts(Classifier(pretrained()))),
    Net("everyday/fine_tuned", "new head", whole),
    Net("everyday/random_features", "random features", lambda: draws.classifying(RandomFeatures(), *draws.vectors())),
)
