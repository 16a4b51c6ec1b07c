"""A style-based generator: weights are drawn from N(0, 1) and scaled at run time."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .everyday_net import everyday
from .pictures_adversarial import fool

STYLE = 64


class EqualLinear(nn.Module):
    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, lr_mul: float = 1.0, lrelu: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs).div_(lr_mul))
        self.bias = nn.Parameter(torch.zeros(outputs).fill_(bias))
        self.scale = (1 / math.sqrt(inputs)) * lr_mul
        self.lr_mul, self.lrelu = lr_mul, lrelu

    def forward(self, x: Tensor) -> Tensor:
        out = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return F.leaky_relu(out, 0.2) * math.sqrt(2) if self.lrelu else out


class ModulatedConv2d(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.modulation = EqualLinear(STYLE, inputs, bias=1.0)
        self.padding, self.demodulate = kernel // 2, demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        weight = self.scale * self.weight * self.modulation(style).view(batch, 1, channels, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
        x = x.reshape(1, batch * channels, height, width)
        out = F.conv2d(x, weight.flatten(0, 1), padding=self.padding, groups=batch)
        return out.view(batch, -1, height, width)


class StyledConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, upsample: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, outputs, 3)
        self.noise_weight = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))
        self.upsample = upsample

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        if self.upsample:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        out = self.conv(x, style)
        noise = out.new_empty(len(out), 1, *out.shape[2:]).normal_()
        return F.leaky_relu(out + self.noise_weight * noise + self.bias, 0.2) * math.sqrt(2)


class ToRGB(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, 3, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        out = self.conv(x, style) + self.bias
        if skip is None:
            return out
        return out + F.interpolate(skip, scale_factor=2.0, mode="bilinear", align_corners=False)


class StyleGenerator(nn.Module):
    def __init__(self, widths: tuple[int, ...] = (64, 64, 32, 16), mapping: int = 8) -> None:
        super().__init__()
        self.style = nn.Sequential(*(EqualLinear(STYLE, STYLE, lr_mul=0.01, lrelu=True) for _ in range(mapping)))
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.conv1, self.to_rgb1 = StyledConv(widths[0], widths[0]), ToRGB(widths[0])
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for a, b in pairwise(widths):
            self.convs.extend([StyledConv(a, b, upsample=True), StyledConv(b, b)])
            self.to_rgbs.append(ToRGB(b))

    def forward(self, z: Tensor) -> Tensor:
        style = self.style(z * torch.rsqrt(z.pow(2).mean(1, keepdim=True) + 1e-8))
        x = self.conv1(self.constant.expand(len(z), -1, -1, -1), style)
        skip = self.to_rgb1(x, style)
        for i, to_rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * i + 1](self.convs[2 * i](x, style), style)
            skip = to_rgb(x, style, skip)
        return skip


class EqualConv2d(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, lrelu: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding, self.lrelu = stride, kernel // 2, lrelu

    def forward(self, x: Tensor) -> Tensor:
        out = F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)
        return F.leaky_relu(out, 0.2) * math.sqrt(2) if self.lrelu else out


class StyleBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualConv2d(inputs, inputs, 3)
        self.conv2 = EqualConv2d(inputs, outputs, 3, stride=2)
        self.skip = EqualConv2d(inputs, outputs, 1, stride=2, lrelu=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


def style_discriminator() -> nn.Module:
    blocks = [StyleBlock(a, b) for a, b in ((16, 32), (32, 64), (64, 64))]
    head = [nn.Flatten(), EqualLinear(64 * 16, 64, lrelu=True), EqualLinear(64, 1), nn.Flatten(0)]
    return nn.Sequential(EqualConv2d(3, 16, 1), *blocks, *head)


NETS = (everyday("style-generator", "style-based generator", StyleGenerator, fool(style_discriminator, (STYLE,))),)
