"""More hosts for images, and two for points and sound."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .more_tasks_vision import SHAPES, SURFACES, TONES
from .token_nets import attend

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
LEAK = 0.1


def he_fan_out(model: nn.Module) -> None:
    """He initialization by the fan-out, and a head of N(0, 0.01), as in torchvision for VGG and MobileNetV2."""
    for part in model.modules():
        if isinstance(part, CONVOLUTIONS):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
        if isinstance(part, (*CONVOLUTIONS, nn.Linear)) and part.bias is not None:
            nn.init.zeros_(part.bias)


def xavier(model: nn.Module) -> None:
    """Xavier uniform weights and zero biases, the default of TensorFlow and Keras."""
    for part in model.modules():
        if isinstance(part, (*CONVOLUTIONS, nn.Linear)):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def pooled() -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class VGG(nn.Module):
    """VGG with BatchNorm, two convolutions between pools, and a single linear classifier, as usual for small images."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for width in (16, 32, 64):
            for _ in range(2):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, 10)
        he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * inputs
        self.expand = nn.Sequential(*conv_bn(inputs, wide, 1), nn.ReLU6()) if expansion > 1 else nn.Identity()
        self.depthwise = nn.Sequential(*conv_bn(wide, wide, 3, stride, wide), nn.ReLU6())
        self.project = nn.Sequential(*conv_bn(wide, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """MobileNetV2. The fan-out of a depthwise convolution counts all channels, as in torchvision."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 16, 3, 2), nn.ReLU6())
        shapes = ((16, 12, 1, 1), (12, 16, 2, 4), (16, 16, 1, 4), (16, 24, 1, 4), (24, 24, 1, 4))
        self.blocks = nn.Sequential(*(InvertedResidual(*shape) for shape in shapes))
        self.last = nn.Sequential(*conv_bn(24, 64, 1), nn.ReLU6())
        self.pool = pooled()
        self.head = nn.Linear(64, SHAPES)
        he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.last(self.blocks(self.stem(x)))))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y)))], 1)


class DenseNet(nn.Module):
    """DenseNet-BC: two blocks of three layers, a transition that halves the channels; He initialization."""

    def __init__(self, growth: int = 8, depth: int = 3) -> None:
        super().__init__()
        width = 2 * growth
        self.stem = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.block1 = nn.Sequential(*(DenseLayer(width + i * growth, growth) for i in range(depth)))
        width += depth * growth
        halved = nn.Conv2d(width, width // 2, 1, bias=False)
        self.transition = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), halved, nn.AvgPool2d(2))
        width //= 2
        self.block2 = nn.Sequential(*(DenseLayer(width + i * growth, growth) for i in range(depth)))
        width += depth * growth
        self.norm, self.pool, self.head = nn.BatchNorm2d(width), pooled(), nn.Linear(width, SHAPES)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.transition(self.block1(self.stem(x))))
        return self.head(self.pool(F.relu(self.norm(x))))


class SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()


class PreactivationBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(inputs // 4, inputs), nn.GroupNorm(outputs // 4, outputs)
        changed = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changed else None
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.gate = SqueezeExcite(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(x))
        x = self.shortcut(y) if self.shortcut is not None else x
        return x + self.gate(self.conv2(F.relu(self.norm2(self.conv1(y)))))


class SEResNet(nn.Module):
    """A pre-activation ResNet with GroupNorm and squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        shapes = ((16, 16, 1), (16, 32, 2), (32, 32, 1))
        self.blocks = nn.Sequential(*(PreactivationBlock(*shape) for shape in shapes))
        self.norm, self.pool, self.head = nn.GroupNorm(8, 32), pooled(), nn.Linear(32, SHAPES)
        he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(F.relu(self.norm(self.blocks(self.stem(x))))))


class ViTBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.gamma1, self.gamma2 = (nn.Parameter(torch.full((width,), 0.1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.gamma1 * self.proj(attend(*self.qkv(self.norm1(x)).chunk(3, -1), False))
        return x + self.gamma2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    """A class token and four patches of an 8 x 8 image, LayerScale of 0.1; the stem has PyTorch's default."""

    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 4, 4)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 5, width))
        self.blocks = nn.Sequential(*(ViTBlock(width) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        linears = [part for part in self.modules() if isinstance(part, nn.Linear)]
        for parameter in (self.token, self.places, *(linear.weight for linear in linears)):
            nn.init.trunc_normal_(parameter, std=0.02)
        for linear in linears:
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class Autoencoder(nn.Module):
    """Three convolutions to a code of 8 x 4 x 4, three back; no normalization, Xavier initialization as in Keras."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, 2, 1)
        self.encoder = nn.ModuleList([nn.Conv2d(16, 32, 3, 2, 1), nn.Conv2d(32, 8, 3, padding=1)])
        self.decoder = nn.ModuleList([nn.Conv2d(8, 32, 3, padding=1), nn.ConvTranspose2d(32, 16, 4, 2, 1)])
        self.head = nn.ConvTranspose2d(16, 1, 4, 2, 1)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.stem, *self.encoder, *self.decoder):
            x = F.relu(layer(x))
        return self.head(x)


def leaky_conv(width: int = 16, depth: int = 12) -> nn.Module:
    """Convolutions without normalization, with leaky ReLUs and He initialization for their slope."""
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Conv2d(width if i else 1, width, 3, 2 if i == 4 else 1, 1), nn.LeakyReLU(LEAK)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * 4 * 4, 10))
    for part in model:
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, a=LEAK)
            nn.init.zeros_(part.bias)
    return model


class TimedBlock(nn.Module):
    """DDPM's residual block: the time embedding is added between its convolutions."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(4, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(embedding, outputs)
        self.norm2, self.conv2 = nn.GroupNorm(4, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(y)))


class Diffusion(nn.Module):
    """A U-Net that predicts the noise in an image; PyTorch's default initialization, as in Hugging Face's diffusers."""

    def __init__(self, width: int = 16, waves: int = 8) -> None:
        super().__init__()
        self.register_buffer("waves", math.pi * 2.0 ** torch.arange(waves))
        embedding = 4 * width
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.time = nn.Sequential(nn.Linear(2 * waves, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.high = TimedBlock(width, width, embedding)
        self.lower = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.middle = nn.ModuleList(TimedBlock(2 * width, 2 * width, embedding) for _ in range(2))
        self.higher = nn.Conv2d(2 * width, width, 3, padding=1)
        self.joined = TimedBlock(2 * width, width, embedding)
        self.norm, self.head = nn.GroupNorm(4, width), nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        angle = x[:, 1, 0, :1] * self.waves
        time = self.time(torch.cat([angle.sin(), angle.cos()], 1))
        skip = self.high(self.stem(x[:, :1]), time)
        x = self.lower(skip)
        for block in self.middle:
            x = block(x, time)
        x = self.higher(F.interpolate(x, scale_factor=2.0))
        return self.head(F.silu(self.norm(self.joined(torch.cat([x, skip], 1), time))))


class PointNet(nn.Module):
    """The same layers for every point, the maximum over the points, then a classifier; Xavier as published."""

    def __init__(self) -> None:
        super().__init__()
        points: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 32), (32, 32), (32, 64)):
            points += [nn.Conv1d(inputs, outputs, 1), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.points = nn.Sequential(*points)
        self.dense = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU())
        self.head = nn.Linear(32, SURFACES)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dense(self.points(x).amax(2)))


class Sound(nn.Module):
    """Convolutions on raw sound (M5, Dai et al. 2017): a wide first kernel, BatchNorm, pools, the mean over time."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        layers += [nn.Conv1d(1, 16, 32, 4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(4)]
        for inputs, outputs in ((16, 16), (16, 32), (32, 32), (32, 32)):
            layers += [nn.Conv1d(inputs, outputs, 3, padding=1), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(32, TONES)
        xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(2))
