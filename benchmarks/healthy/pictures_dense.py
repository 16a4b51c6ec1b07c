"""Networks that output an image or a map: segmentation, super-resolution, denoising, optical flow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_draws import pictures


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((inputs, outputs), (outputs, outputs)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, classes: int = 2, width: int = 16) -> None:
        super().__init__()
        self.inc = double_conv(3, width)
        self.downs = nn.ModuleList(double_conv(width * 2**i, width * 2 ** (i + 1)) for i in range(3))
        pairs = [(width * 2 ** (i + 1), width * 2**i) for i in (2, 1, 0)]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, kernel_size=2, stride=2) for a, b in pairs)
        self.convs = nn.ModuleList(double_conv(a, b) for a, b in pairs)
        self.outc = nn.Conv2d(width, classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.inc(x)]
        for down in self.downs:
            skips.append(down(F.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for up, conv in zip(self.ups, self.convs, strict=True):
            x = conv(torch.cat([skips.pop(), up(x)], dim=1))
        return self.outc(x)


def discs(generator: Generator, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Return images with a brighter disc, and its mask ``(count, size, size)``."""
    centre = 0.2 + 0.6 * torch.rand(count, 2, 1, 1, generator=generator)
    radius = 0.1 + 0.15 * torch.rand(count, 1, 1, generator=generator)
    rows, columns = torch.meshgrid(*[torch.linspace(0, 1, size)] * 2, indexing="ij")
    inside = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2 < radius**2
    images = pictures(generator, count, size)[0] + 1.5 * inside[:, None]
    return (images - images.mean()) / images.std(), inside.long()


def segment(generator: Generator) -> Drawn:
    images, inside = discs(generator, 16, 32)

    def loss(logits: Tensor) -> Tensor:
        probability = logits.softmax(1)[:, 1]
        overlap = 2 * (probability * inside).sum((1, 2)) / (probability.sum((1, 2)) + inside.sum((1, 2)) + 1e-6)
        return F.cross_entropy(logits, inside) + 1 - overlap.mean()

    return images, loss


def leaky(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.1))


class FlowNet(nn.Module):
    """The smallest part of PWC-Net: shared features, correlations with shifted ones, and a decoder."""

    def __init__(self, width: int = 32, reach: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(leaky(3, 16, 2), leaky(16, 16), leaky(16, width, 2), leaky(width, width))
        self.reach = reach
        self.decoder = nn.ModuleList([leaky((2 * reach + 1) ** 2 + width, 64), leaky(64, 48), leaky(48, 32)])
        self.predict = nn.Conv2d(32, 2, 3, padding=1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight.data, mode="fan_in")
                m.bias.data.zero_()

    def correlate(self, left: Tensor, right: Tensor) -> Tensor:
        r, (height, width) = self.reach, left.shape[2:]
        padded = F.pad(right, (r, r, r, r))
        shifts = [padded[:, :, i : i + height, j : j + width] for i in range(2 * r + 1) for j in range(2 * r + 1)]
        return torch.stack([(left * shifted).mean(1) for shifted in shifts], 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        left, right = self.features(first), self.features(second)
        x = torch.cat([F.leaky_relu(self.correlate(left, right), 0.1), left], 1)
        for layer in self.decoder:
            x = layer(x)
        return self.predict(x)


def displacement(generator: Generator) -> Drawn:
    """Each image is translated by up to eight pixels; the flow unit is a twentieth of a pixel, as in PWC-Net."""
    texture = F.avg_pool2d(torch.randn(32, 3, 50, 50, generator=generator), 3, 1)
    moves = torch.randint(-8, 9, (32, 2), generator=generator)
    first = texture[:, :, 8:40, 8:40] * 3
    parts = [t[:, 8 + dy : 40 + dy, 8 + dx : 40 + dx] for t, (dy, dx) in zip(texture, moves.tolist(), strict=True)]
    target = (moves.float() / 20)[:, :, None, None]
    return (first, torch.stack(parts) * 3), lambda flow: (flow - target).norm(dim=1).sum((1, 2)).mean()


NETS = (
    everyday("unet", "segmentation U-Net", UNet, segment),
    everyday("flow", "optical flow", FlowNet, displacement),
)
