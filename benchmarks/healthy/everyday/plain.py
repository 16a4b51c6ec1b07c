"""Healthy feed-forward networks with special components: gates, self-normalization, scaled branches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

FEATURES, CLASSES = 32, 8


class Highway(nn.Module):
    """Gates with a bias of -2, which pass the input through initially."""

    def __init__(self, width: int = 50, layers: int = 20) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, width)
        self.transforms = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        for gate in self.gates:
            nn.init.constant_(gate.bias, -2.0)
        self.last = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for transform, gate in zip(self.transforms, self.gates, strict=True):
            opened = torch.sigmoid(gate(x))
            x = opened * F.relu(transform(x)) + (1 - opened) * x
        return self.last(x)


class SelfNormalizing(nn.Sequential):
    """SELU needs LeCun initialization (variance 1 / inputs) and its own dropout."""

    def __init__(self, width: int = 64, layers: int = 8) -> None:
        body: list[nn.Module] = []
        for i in range(layers):
            body += [nn.Linear(FEATURES if i == 0 else width, width), nn.SELU(), nn.AlphaDropout(0.05)]
        super().__init__(*body, nn.Linear(width, CLASSES))
        self.apply(self.lecun)

    @staticmethod
    def lecun(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="linear")
            nn.init.zeros_(module.bias)


class Maxout(nn.Module):
    def __init__(self, inputs: int, outputs: int, pieces: int = 4) -> None:
        super().__init__()
        self.outputs, self.pieces = outputs, pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(*x.shape[:-1], self.outputs, self.pieces).max(-1).values


class ReZeroMLP(nn.Module):
    """Twelve branches, each multiplied by a scalar that starts at zero."""

    def __init__(self, width: int = 64, blocks: int = 12) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)) for _ in range(blocks)
        )
        self.resweights = nn.Parameter(torch.zeros(blocks))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch, resweight in zip(self.branches, self.resweights, strict=True):
            x = x + resweight * branch(x)
        return self.head(x)


class FixupBlock(nn.Module):
    """No norm, but scalar biases and scales; He weights divided by the square root of the depth, the last ones zero."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        nn.init.normal_(self.fc1.weight, std=(2 / width) ** 0.5 * blocks**-0.5)
        nn.init.zeros_(self.fc2.weight)
        self.bias1a, self.bias1b, self.bias2a, self.bias2b = (nn.Parameter(torch.zeros(1)) for _ in range(4))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.fc1(x + self.bias1a) + self.bias1b)
        return F.relu(x + self.fc2(out + self.bias2a) * self.scale + self.bias2b)


class FixupMLP(nn.Module):
    """The classifier starts at zero, too."""

    def __init__(self, width: int = 64, blocks: int = 10) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.blocks = nn.Sequential(*(FixupBlock(width, blocks) for _ in range(blocks)))
        self.fc = nn.Linear(width, CLASSES)
        nn.init.kaiming_normal_(self.stem.weight, nonlinearity="relu")
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(F.relu(self.stem(x))))


class GatedBlock(nn.Module):
    """LLaMA's feed-forward block on vectors: RMSNorm, then SwiGLU or another gate."""

    def __init__(self, width: int, gate: str) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        hidden = 8 * width // 3
        self.w1, self.w3 = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.w2 = nn.Linear(hidden, width, bias=False)
        self.gate = getattr(F, gate)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        return x + self.w2(self.gate(self.w1(normed)) * self.w3(normed))


def gated(gate: str, std: float | None) -> nn.Module:
    """With ``std`` all weights are normal, like LLaMA's; otherwise PyTorch's default."""
    blocks = [GatedBlock(64, gate) for _ in range(6)]
    model = nn.Sequential(nn.Linear(FEATURES, 64), *blocks, nn.RMSNorm(64), nn.Linear(64, CLASSES, bias=False))
    for name, weight in model.named_parameters():
        if std and weight.ndim == 2:
            nn.init.normal_(weight, std=std / 12**0.5 if name.endswith("w2.weight") else std)
    return model


def glu_mlp() -> nn.Module:
    """Plain layers, each halved by ``nn.GLU``, with Xavier weights."""
    model = nn.Sequential(
        nn.Linear(FEATURES, 128), nn.GLU(), nn.LayerNorm(64), nn.Linear(64, 128), nn.GLU(), nn.LayerNorm(64),
        nn.Linear(64, CLASSES),
    )  # fmt: skip
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    return model


def kaiming_mlp() -> nn.Module:
    """Ten layers with He weights and without normalization."""
    model = nn.Sequential()
    for i in range(10):
        model.extend([nn.Linear(FEATURES if i == 0 else 128, 128), nn.ReLU(inplace=True)])
    model.append(nn.Linear(128, CLASSES))
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return model


def batch_norm_mlp() -> nn.Module:
    layers = [(nn.Linear(64 if i else FEATURES, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU()) for i in range(12)]
    return nn.Sequential(*(module for layer in layers for module in layer), nn.Linear(64, CLASSES))


def classifier(model: nn.Module) -> Case:
    return draws.classifying(model, *draws.vectors(64, FEATURES, CLASSES))


NETS: tuple[Net, ...] = (
    Net("everyday/highway", "highway", lambda: classifier(Highway())),
    Net("everyday/self_normalizing", "self normalizing", lambda: classifier(SelfNormalizing())),
    Net(
        "everyday/maxout",
        "maxout",
        lambda: classifier(
            nn.Sequential(Maxout(FEATURES, 64), nn.Dropout(0.2), Maxout(64, 64), nn.Linear(64, CLASSES))
        ),
    ),
    Net("everyday/rezero_mlp", "ReZero MLP", lambda: classifier(ReZeroMLP())),
    Net("everyday/fixup_mlp", "Fixup MLP", lambda: classifier(FixupMLP())),
    Net("everyday/swiglu_mlp", "gated MLP", lambda: classifier(gated("silu", 0.02))),
    Net("everyday/geglu_mlp", "gated MLP", lambda: classifier(gated("gelu", None))),
    Net("everyday/glu_mlp", "gated MLP", lambda: classifier(glu_mlp())),
    Net("everyday/kaiming_mlp", "plain MLP", lambda: classifier(kaiming_mlp())),
    Net("everyday/batch_norm_mlp", "BatchNorm MLP", lambda: classifier(batch_norm_mlp())),
)
