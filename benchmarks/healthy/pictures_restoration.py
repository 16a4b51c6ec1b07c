"""Super-resolution and denoising."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_dense import discs


class EdsrBlock(nn.Module):
    def __init__(self, width: int, res_scale: float) -> None:
        super().__init__()
        conv = nn.Conv2d
        self.body = nn.Sequential(conv(width, width, 3, padding=1), nn.ReLU(True), conv(width, width, 3, padding=1))
        self.res_scale = res_scale

    def forward(self, x: Tensor) -> Tensor:
        res = self.body(x).mul(self.res_scale)
        res += x
        return res


class Edsr(nn.Module):
    """EDSR without norms, with residual branches multiplied by 0.1."""

    def __init__(self, width: int = 48, blocks: int = 8, res_scale: float = 0.1) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        body = [EdsrBlock(width, res_scale) for _ in range(blocks)]
        self.body = nn.Sequential(*body, nn.Conv2d(width, width, 3, padding=1))
        upsampler = [nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2)]
        self.tail = nn.Sequential(*upsampler, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return self.tail(self.body(x) + x)


class Espcn(nn.Module):
    """PyTorch's super-resolution example with orthogonal initialization."""

    def __init__(self, upscale: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 5, padding=2)
        self.conv2 = nn.Conv2d(64, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 32, 3, padding=1)
        self.conv4 = nn.Conv2d(32, upscale**2, 3, padding=1)
        for conv in (self.conv1, self.conv2, self.conv3):
            nn.init.orthogonal_(conv.weight, nn.init.calculate_gain("relu"))
        nn.init.orthogonal_(self.conv4.weight)
        self.upscale = upscale

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.relu(conv(x))
        return F.pixel_shuffle(self.conv4(x), self.upscale)


def enlarge(channels: int, distance: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Generator], Drawn]:
    def draw(generator: Generator) -> Drawn:
        images = discs(generator, 16, 24)[0][:, :channels]
        return F.avg_pool2d(images, 2), lambda output: distance(output, images)

    return draw


def dncnn(depth: int = 12, width: int = 48) -> nn.Module:
    """Predicts the noise; orthogonal initialization as in its authors' code."""
    layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(depth - 2):
        conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(width, eps=0.0001, momentum=0.95), nn.ReLU(inplace=True)]
    layers.append(nn.Conv2d(width, 1, 3, padding=1, bias=False))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.orthogonal_(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0)
    return nn.Sequential(*layers)


def denoise(generator: Generator) -> Drawn:
    """Pixels in [0, 1] with noise of 25 gray levels."""
    images = (discs(generator, 16, 24)[0][:, :1] / 6 + 0.5).clamp(0, 1)
    noise = 25 / 255 * torch.randn(images.shape, generator=generator)
    return images + noise, lambda output: F.mse_loss(output, noise, reduction="sum") / (2 * len(images))


NETS = (
    everyday("edsr", "super-resolution", Edsr, enlarge(3, F.l1_loss)),
    everyday("espcn", "super-resolution", Espcn, enlarge(1, F.mse_loss)),
    everyday("dncnn", "denoiser", dncnn, denoise),
)
