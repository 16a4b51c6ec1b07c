"""Convolutional classifiers with blocks that branch, concatenate, gate or shuffle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .everyday_net import everyday
from .pictures_draws import classify


def conv_bn(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def he_fan_out(model: nn.Module, head: float | None = 0.01) -> nn.Module:
    """The common initialization of torchvision: He by fan-out for convolutions, a small normal for the head."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear) and head is not None:
            nn.init.normal_(m.weight, 0, head)
            nn.init.zeros_(m.bias)
    return model


class DenseLayer(nn.Sequential):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__(
            nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth), nn.ReLU(inplace=True),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], 1)


def densenet(growth: int = 12) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 24, 3, 2, 1, bias=False)]
    width = 24
    for stage in range(3):
        for _ in range(4):
            layers.append(DenseLayer(width, growth))
            width += growth
        if stage < 2:
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), *conv_bn(width, width // 2)[:1], nn.AvgPool2d(2)]
            width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
    nn.init.constant_(model[-1].bias, 0)
    return model


class Inception(nn.Module):
    def __init__(self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        relu = nn.ReLU
        self.branch1 = nn.Sequential(*conv_bn(inputs, one), relu())
        self.branch2 = nn.Sequential(*conv_bn(inputs, three[0]), relu(), *conv_bn(*three, 3), relu())
        self.branch3 = nn.Sequential(*conv_bn(inputs, five[0]), relu(), *conv_bn(*five, 5), relu())
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), *conv_bn(inputs, pool), relu())

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


def inception() -> nn.Module:
    """GoogLeNet's truncated normal of std 0.01, which batch normalization compensates."""
    model = nn.Sequential(
        *conv_bn(3, 32, 3, 2), nn.ReLU(True), Inception(32, 16, (24, 32), (8, 16), 8),
        Inception(72, 32, (32, 48), (8, 24), 16), nn.MaxPool2d(3, 2, 1), Inception(120, 48, (32, 64), (8, 16), 16),
        Inception(144, 64, (48, 96), (16, 32), 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(224, 10),
    )  # fmt: skip
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(m.weight, mean=0.0, std=0.01, a=-2, b=2)
    return model


class SEBlock(nn.Module):
    """A residual block with a branch that is gated by its global average."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_bn(inputs, outputs, 3, stride), nn.ReLU(True), *conv_bn(outputs, outputs, 3))
        self.fc1, self.fc2 = nn.Linear(outputs, outputs // 8), nn.Linear(outputs // 8, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        gate = torch.sigmoid(self.fc2(F.relu(self.fc1(y.mean((2, 3))))))
        return F.relu(y * gate[:, :, None, None] + self.shortcut(x))


def se_resnet() -> nn.Module:
    blocks = [SEBlock(*s) for s in ((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1))]
    model = nn.Sequential(
        *conv_bn(3, 32, 3, 2), nn.ReLU(True), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)
    )
    return he_fan_out(model, None)


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = inputs * expand
        layers = [*conv_bn(inputs, wide), nn.ReLU6(inplace=True)] if expand != 1 else []
        layers += [*conv_bn(wide, wide, 3, stride, wide), nn.ReLU6(inplace=True), *conv_bn(wide, outputs)]
        self.conv, self.residual = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


def mobilenet() -> nn.Module:
    layers: list[nn.Module] = [*conv_bn(3, 16, 3, 2), nn.ReLU6(inplace=True)]
    width = 16
    for expand, outputs, count, stride in ((1, 8, 1, 1), (6, 16, 2, 1), (6, 24, 3, 2), (6, 32, 3, 2), (6, 48, 2, 1)):
        for i in range(count):
            layers.append(InvertedResidual(width, outputs, stride if i == 0 else 1, expand))
            width = outputs
    layers += [*conv_bn(width, 192), nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)]
    return he_fan_out(nn.Sequential(*layers, nn.Linear(192, 10)))


class ShuffleUnit(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 4) -> None:
        super().__init__()
        mid, branch = outputs // 4, outputs - inputs if stride == 2 else outputs
        self.groups, self.stride = groups, stride
        self.squeeze = nn.Sequential(*conv_bn(inputs, mid, groups=groups), nn.ReLU(True))
        self.depthwise = nn.Sequential(*conv_bn(mid, mid, 3, stride, mid))
        self.expand = nn.Sequential(*conv_bn(mid, branch, groups=groups))

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(x).unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
        y = self.expand(self.depthwise(y))
        return F.relu(torch.cat([y, F.avg_pool2d(x, 3, 2, 1)], 1) if self.stride == 2 else x + y)


def shufflenet() -> nn.Module:
    units = [ShuffleUnit(*s) for s in ((24, 80, 2), (80, 80, 1), (80, 80, 1), (80, 160, 2), (160, 160, 1))]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(160, 10)]
    return nn.Sequential(*conv_bn(3, 24, 3), nn.ReLU(True), *units, *head)


NETS = (
    everyday("densenet", "DenseNet", densenet, classify(32, 32)),
    everyday("inception", "Inception", inception, classify(16, 32)),
    everyday("se-resnet", "SE-ResNet", se_resnet, classify(32, 32)),
    everyday("mobilenet-v2", "MobileNet", mobilenet, classify(16, 32)),
    everyday("shufflenet", "ShuffleNet", shufflenet, classify(32, 32)),
)
