"""Common networks for images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..batches import CLASSES


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, squeezed: int = 8) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = F.hardsigmoid(self.expand(F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1)))))
        return x * gate


class InvertedResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.branch = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(),
            SqueezeExcite(wide), nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.blocks = nn.Sequential(*(InvertedResidual(16) for _ in range(3)))
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.stem(x)).mean((2, 3)))
        return out


class ScaledBlock(nn.Module):
    """A transformer block whose branches end with a learned scale that starts near zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.scales = nn.ParameterList([1e-5 * torch.ones(width), 1e-5 * torch.ones(width)])

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norms[0](x)
        x = x + self.scales[0] * self.attention(normed, normed, normed, need_weights=False)[0]
        out: Tensor = x + self.scales[1] * self.mlp(self.norms[1](x))
        return out


class LayerScaleViT(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.blocks = nn.Sequential(*(ScaledBlock(width) for _ in range(4)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        out: Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return out


class TimedBlock(nn.Module):
    """Two convolutions with the time embedding between them; the second starts at zero."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(4, inputs), nn.GroupNorm(4, outputs)])
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(32, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(torch.as_tensor(self.second.bias))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.first(F.silu(self.norms[0](x))) + self.time(F.silu(time))[:, :, None, None]
        out: Tensor = self.skip(x) + self.second(F.silu(self.norms[1](inner)))
        return out


class DiffusionUNet(nn.Module):
    """Predicts the noise in ``(samples, 3, 16, 16)`` at times ``(samples,)``; the last convolution starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 32))
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.down = TimedBlock(16, 32)
        self.bottom = TimedBlock(32, 32)
        self.up = TimedBlock(48, 16)
        self.norm = nn.GroupNorm(4, 16)
        self.out = nn.Conv2d(16, 3, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(torch.as_tensor(self.out.bias))

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        rates = torch.exp(-math.log(1000.0) * torch.arange(8) / 8)
        angles = times[:, None] * rates
        time = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        top = self.stem(x)
        x = self.bottom(self.down(F.avg_pool2d(top, 2), time), time)
        x = self.up(torch.cat([F.interpolate(x, scale_factor=2), top], 1), time)
        out: Tensor = self.out(F.silu(self.norm(x)))
        return out


class Critic(nn.Sequential):
    """A GAN's discriminator with spectral norm."""

    def __init__(self) -> None:
        super().__init__(
            spectral_norm(nn.Conv2d(3, 16, 4, 2, 1)), nn.LeakyReLU(0.1),
            spectral_norm(nn.Conv2d(16, 32, 4, 2, 1)), nn.LeakyReLU(0.1),
            nn.Flatten(), spectral_norm(nn.Linear(32 * 16, 1)),
        )  # fmt: skip


class BiasedConv(nn.Sequential):
    """Convolutions that keep their bias although BatchNorm removes it."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, stride=2), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES),
        )  # fmt: skip


class VGG(nn.Sequential):
    """He fan-out convolutions without norms and a wide classifier, initialized as in torchvision, ten classes."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, CLASSES),
        )  # fmt: skip
        for module in self:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)
