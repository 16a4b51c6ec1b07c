"""Healthy networks that other tools alarm about: no cause above a note in any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from tests.rules.nets import Loss, cross_entropy, he, judged, mlp, pictures, vectors

Trap = Callable[[], tuple[nn.Module, Any, Loss]]


class Scaled(nn.Module):
    """A pre-norm block whose branch is multiplied by a learned 1e-5, as LayerScale starts."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.norm, self.enter, self.leave = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.leave(F.gelu(self.enter(self.norm(x))))


def layer_scale() -> tuple[nn.Module, Any, Loss]:
    blocks = [Scaled() for _ in range(8)]
    return nn.Sequential(nn.Linear(32, 64), *blocks, nn.LayerNorm(64), nn.Linear(64, 10)), vectors(), cross_entropy


class Excited(nn.Module):
    """Squeeze and excitation: a gate of few ReLU units, which die by the half, and a sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.squeeze, self.excite = nn.Linear(channels, 8), nn.Linear(8, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


def squeeze_and_excitation_on_a_small_batch() -> tuple[nn.Module, Any, Loss]:
    stem = [nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
    model = nn.Sequential(*stem, *(Excited(32) for _ in range(4)), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return model.append(nn.Linear(32, 10)), pictures(4), cross_entropy


def separable() -> tuple[nn.Module, Any, Loss]:
    """Depthwise and pointwise convolutions, as in MobileNet."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    for _ in range(4):
        layers += [nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
        layers += [nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return model, pictures(), cross_entropy


class Language(nn.Module):
    """A tied embedding at GPT's 0.02, attention with a causal mask, a norm before the head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.attention = nn.Embedding(64, 32), nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 64, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.head(self.norm(x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]))


def tied_embedding() -> tuple[nn.Module, Any, Loss]:
    tokens = torch.randint(0, 64, (16, 12))
    return Language(), tokens, lambda out: F.cross_entropy(out[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def one_feature() -> tuple[nn.Module, Any, Loss]:
    """Units that read a single number all point one of two ways."""
    model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    x = vectors(64, 1)
    return model, x, lambda output: F.mse_loss(output, torch.sin(3 * x))


def deep_batch_norm() -> tuple[nn.Module, Any, Loss]:
    """Gradients grow with depth by themselves, and biases before the norm have none."""
    layers = [p for n in range(24) for p in (nn.Linear(64 if n else 32, 64), nn.BatchNorm1d(64), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10)), vectors(), cross_entropy


def ten_class_head() -> tuple[nn.Module, Any, Loss]:
    """A head of ten classes on wide features, He-initialized."""
    return he(nn.Sequential(nn.Linear(32, 1024), nn.ReLU(), nn.Linear(1024, 10))), vectors(), cross_entropy


def sigmoid_output() -> tuple[nn.Module, Any, Loss]:
    return mlp().append(nn.Sigmoid()), vectors(), lambda out: F.binary_cross_entropy(out, torch.full_like(out, 0.5))


TRAPS: tuple[Trap, ...] = (
    layer_scale,
    squeeze_and_excitation_on_a_small_batch,
    separable,
    tied_embedding,
    one_feature,
    deep_batch_norm,
    ten_class_head,
    sigmoid_output,
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_healthy_network_raises_no_alarm(trap: Trap, seed: int) -> None:
    torch.manual_seed(seed)
    report = judged(*trap())
    assert not [cause for cause in report.causes if cause.severity > Severity.INFO], str(report)
    assert report.measurements
    assert not report.not_measured
