"""Convolutional classifiers with a plain or a residual trunk."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_draws import classify

VGG = (32, 32, "M", 64, 64, "M", 96, 96, 96, "M", 96, 96, 96, "M")


class Vgg(nn.Module):
    """VGG with torchvision's initialization."""

    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for step in VGG:
            if isinstance(step, str):
                layers += [nn.MaxPool2d(2, 2)]
                continue
            layers += [nn.Conv2d(channels, step, 3, padding=1)]
            layers += [nn.BatchNorm2d(step), nn.ReLU(inplace=True)] if batch_norm else [nn.ReLU(inplace=True)]
            channels = step
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(96 * 4, 256), nn.ReLU(True), nn.Dropout(), nn.Linear(256, 256), nn.ReLU(True), nn.Dropout(),
            nn.Linear(256, 10),
        )  # fmt: skip
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != planes:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """ResNet with torchvision's ``zero_init_residual``: each block starts as its shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        shapes = ((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1))
        self.layers = nn.Sequential(*(BasicBlock(*shape) for shape in shapes))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(128, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        for m in self.modules():
            if isinstance(m, BasicBlock):
                nn.init.constant_(m.bn2.weight, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.fc(self.avgpool(x).flatten(1))


class PreActBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        if stride != 1 or inputs != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(out)))) + shortcut


def preact_resnet(blocks: int = 6) -> nn.Module:
    """Thirty-eight layers for images of 32 x 32, with PyTorch's defaults."""
    trunk: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)]
    inputs = 16
    for stage, planes in enumerate((16, 32, 64)):
        for i in range(blocks):
            trunk.append(PreActBlock(inputs, planes, 2 if stage and not i else 1))
            inputs = planes
    return nn.Sequential(*trunk, nn.BatchNorm2d(64), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))


def block3d(inputs: int, outputs: int, stride: int | tuple[int, int, int] = 1) -> nn.Sequential:
    conv = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True))


class VideoNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = block3d(3, 24, (1, 2, 2))
        self.stage1 = nn.Sequential(block3d(24, 24), block3d(24, 24))
        self.stage2 = nn.Sequential(block3d(24, 48, 2), block3d(48, 48))
        self.fc = nn.Linear(48, 8)
        nn.init.normal_(self.fc.weight, 0, 0.01)
        nn.init.constant_(self.fc.bias, 0)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.stem(clip)
        x = x + self.stage1(x)
        return self.fc(self.stage2(x).mean((2, 3, 4)))


def moving(generator: Generator) -> Drawn:
    """The direction, one of eight, in which a random texture moves."""
    steps = [(0, 1), (1, 0), (1, 1), (0, -1), (-1, 0), (-1, -1), (1, -1), (-1, 1)]
    labels = torch.randint(8, (16,), generator=generator)
    texture = F.avg_pool2d(torch.randn(16, 3, 26, 26, generator=generator), 3, 1)
    rows = [
        torch.stack([x.roll((t * steps[k][0], t * steps[k][1]), (1, 2)) for t in range(8)], 1)
        for x, k in zip(texture, labels.tolist(), strict=True)
    ]
    clips = torch.stack(rows)
    return (clips - clips.mean()) / clips.std(), lambda output: F.cross_entropy(output, labels)


NETS = (
    everyday("vgg", "VGG", lambda: Vgg(False), classify(16, 32)),
    everyday("vgg-bn", "VGG", lambda: Vgg(True), classify(16, 32)),
    everyday("resnet-zero-gamma", "ResNet", ResNet, classify(16, 24)),
    everyday("resnet-v2", "pre-activation ResNet", preact_resnet, classify(16, 32)),
    everyday("video", "3-d convolutions", VideoNet, moving),
)
