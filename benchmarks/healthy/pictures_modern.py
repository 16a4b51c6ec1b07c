"""Classifiers with reparametrized convolutions, layer scale, capsules or a learned warp."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .pictures_draws import classify, classify_digits, handwriting


class RepBlock(nn.Module):
    """Three branches that are merged into one convolution after training."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.dense, self.dense_bn = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.point, self.point_bn = nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        self.identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.dense_bn(self.dense(x)) + self.point_bn(self.point(x))
        return F.relu(out if self.identity is None else out + self.identity(x))


def repvgg() -> nn.Module:
    shapes = ((3, 32, 2), (32, 32), (32, 64, 2), (64, 64), (64, 64), (64, 64), (64, 128, 2), (128, 128))
    return nn.Sequential(
        *(RepBlock(*shape) for shape in shapes), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)
    )


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim: int, layer_scale_init_value: float = 1e-6) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.act, self.pwconv2 = nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(layer_scale_init_value * torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class ChannelsFirstNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class ConvNeXt(nn.Module):
    def __init__(self, depths: tuple[int, ...] = (2, 2, 3), dims: tuple[int, ...] = (32, 64, 96)) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Sequential(nn.Conv2d(3, dims[0], 2, 2), ChannelsFirstNorm(dims[0]))])
        for i, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
            if i:
                self.stages.append(nn.Sequential(ChannelsFirstNorm(dims[i - 1]), nn.Conv2d(dims[i - 1], dim, 2, 2)))
            self.stages.append(nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(depth))))
        self.norm, self.head = nn.LayerNorm(dims[-1], eps=1e-6), nn.Linear(dims[-1], 10)
        self.apply(self._init_weights)

    def _init_weights(self, m: nn.Module) -> None:
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(m.weight, std=0.02)
            nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return self.head(self.norm(x.mean([-2, -1])))


def squash(s: Tensor) -> Tensor:
    square = (s**2).sum(-1, keepdim=True)
    return square / (1 + square) * s / (square.sqrt() + 1e-8)


class CapsNet(nn.Module):
    """Lengths ``(samples, classes)`` of the class capsules after three rounds of routing by agreement."""

    def __init__(self, classes: int = 10, routes: int = 8 * 36) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 64, 5)
        self.primary = nn.ModuleList(nn.Conv2d(64, 8, 3, 2) for _ in range(8))
        self.weight = nn.Parameter(0.01 * torch.randn(1, routes, classes, 16, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        u = torch.stack([capsule(x) for capsule in self.primary], dim=1)  # (samples, 8, 8, height, width)
        u = squash(u.permute(0, 1, 3, 4, 2).reshape(len(x), -1, 8))
        votes = (self.weight @ u[:, :, None, :, None]).squeeze(-1)
        logits = torch.zeros_like(votes[..., :1])
        for turn in range(3):
            v = squash((logits.softmax(2) * votes).sum(1, keepdim=True))
            if turn < 2:
                logits = logits + (votes * v).sum(-1, keepdim=True)
        return v.squeeze(1).norm(dim=-1)


def margin(generator: Generator) -> Drawn:
    images, labels = handwriting(generator, 16, 18)
    target = F.one_hot(labels, 10).float()

    def loss(lengths: Tensor) -> Tensor:
        present = target * F.relu(0.9 - lengths) ** 2
        absent = 0.5 * (1 - target) * F.relu(lengths - 0.1) ** 2
        return (present + absent).sum(1).mean()

    return images, loss


class SpatialTransformer(nn.Module):
    """PyTorch's tutorial: the localization head starts at the identity transformation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)
        self.localization = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=7), nn.MaxPool2d(2, stride=2), nn.ReLU(True),
            nn.Conv2d(8, 10, kernel_size=5), nn.MaxPool2d(2, stride=2), nn.ReLU(True),
        )  # fmt: skip
        self.fc_loc = nn.Sequential(nn.Linear(10 * 3 * 3, 32), nn.ReLU(True), nn.Linear(32, 3 * 2))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def forward(self, x: Tensor) -> Tensor:
        theta = self.fc_loc(self.localization(x).view(-1, 10 * 3 * 3)).view(-1, 2, 3)
        x = F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False)
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = F.relu(self.fc1(x.view(-1, 320)))
        return self.fc2(F.dropout(x, training=self.training))


NETS = (
    everyday("repvgg", "RepVGG", repvgg, classify(32, 32)),
    everyday("convnext", "ConvNeXt", ConvNeXt, classify(16, 32, smoothing=0.1)),
    everyday("capsnet", "capsules", CapsNet, margin),
    everyday("spatial-transformer", "spatial transformer", SpatialTransformer, classify_digits(64, 28)),
)
