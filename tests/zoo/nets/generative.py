"""U-Net and DCGAN, each written in three ways."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT = 16
# (inputs, outputs) of the U-Net's convolutions: down, down, bottom, up, up, out
UNET = ((3, 8), (8, 16), (16, 32), (32 + 16, 16), (16 + 8, 8), (8, 3))
# transposed convolutions of the generator and convolutions of the discriminator, kernel 4: 1 -> 4 -> 8 -> 16 and back
GENERATOR = ((LATENT, 32), (32, 16), (16, 3))
DISCRIMINATOR = ((3, 16), (16, 32), (32, 1))


class ModuleUNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in UNET)
        self.activations = nn.ModuleList(nn.ReLU(inplace=True) for _ in UNET[:-1])
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2)

    def step(self, x: Tensor, i: int) -> Tensor:
        out: Tensor = self.activations[i](self.convs[i](x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        first = self.step(x, 0)
        second = self.step(self.pool(first), 1)
        bottom = self.step(self.pool(second), 2)
        x = self.step(torch.cat([self.up(bottom), second], 1), 3)
        x = self.step(torch.cat([self.up(x), first], 1), 4)
        out: Tensor = self.convs[5](x)
        return out


class FunctionUNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in UNET)

    def conv(self, x: Tensor, i: int) -> Tensor:
        out: Tensor = self.convs[i](x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.conv(x, 0))
        second = F.relu(self.conv(F.max_pool2d(first, 2), 1))
        x = F.interpolate(F.relu(self.conv(F.max_pool2d(second, 2), 2)), scale_factor=2)
        x = F.interpolate(F.relu(self.conv(torch.cat([x, second], 1), 3)), scale_factor=2)
        return self.conv(F.relu(self.conv(torch.cat([x, first], 1), 4)), 5)


class ParameterUNet(FunctionUNet):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.w = nn.ParameterList(torch.empty(b, a, 3, 3) for a, b in UNET)
        self.b = nn.ParameterList(torch.empty(b) for _, b in UNET)

    def parameter_order(self) -> list[str]:
        return [name for i in range(len(UNET)) for name in (f"w.{i}", f"b.{i}")]

    def conv(self, x: Tensor, i: int) -> Tensor:
        return F.conv2d(x, self.w[i], self.b[i], padding=1)


class ModuleGAN(nn.Module):
    """Generator and discriminator; the output is the discriminator's logit ``(samples, 1)`` on generated images."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(*GENERATOR[0], 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
            nn.ConvTranspose2d(*GENERATOR[1], 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
            nn.ConvTranspose2d(*GENERATOR[2], 4, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Conv2d(*DISCRIMINATOR[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(*DISCRIMINATOR[1], 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(*DISCRIMINATOR[2], 4, 1, 0, bias=False), nn.Flatten(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.discriminator(self.generator(z))
        return out


class FunctionGAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        strides = ((1, 0), (2, 1), (2, 1))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(*pair, 4, *stride, bias=False) for pair, stride in zip(GENERATOR, strides, strict=True)
        )
        self.up_norms = nn.ModuleList([nn.BatchNorm2d(32), nn.BatchNorm2d(16)])
        self.down = nn.ModuleList(
            nn.Conv2d(*pair, 4, *stride, bias=False) for pair, stride in zip(DISCRIMINATOR, strides[::-1], strict=True)
        )
        self.down_norm = nn.BatchNorm2d(32)

    def parameter_order(self) -> list[str]:
        norms = [("up_norms.0.weight", "up_norms.0.bias"), ("up_norms.1.weight", "up_norms.1.bias"), ()]
        generator = [name for i in range(3) for name in (f"up.{i}.weight", *norms[i])]
        middle = ["down.1.weight", "down_norm.weight", "down_norm.bias"]
        return [*generator, "down.0.weight", *middle, "down.2.weight"]

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.up_norms[0](self.up[0](z)))
        x = torch.tanh(self.up[2](F.relu(self.up_norms[1](self.up[1](x)))))
        x = F.leaky_relu(self.down[0](x), 0.2)
        out: Tensor = self.down[2](F.leaky_relu(self.down_norm(self.down[1](x)), 0.2))
        return out.flatten(1)


class ParameterGAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ParameterList(torch.empty(*pair, 4, 4) for pair in GENERATOR)
        self.down = nn.ParameterList(torch.empty(outputs, inputs, 4, 4) for inputs, outputs in DISCRIMINATOR)
        self.scale = nn.ParameterList(torch.empty(width) for width in (32, 16, 32))
        self.shift = nn.ParameterList(torch.empty(width) for width in (32, 16, 32))

    def parameter_order(self) -> list[str]:
        norms = [(f"scale.{i}", f"shift.{i}") for i in range(3)]
        return ["up.0", *norms[0], "up.1", *norms[1], "up.2", "down.0", "down.1", *norms[2], "down.2"]

    def norm(self, x: Tensor, i: int) -> Tensor:
        return F.batch_norm(x, None, None, self.scale[i], self.shift[i], training=True)

    def forward(self, z: Tensor) -> Tensor:
        x = self.norm(F.conv_transpose2d(z, self.up[0]), 0).relu_()
        x = self.norm(F.conv_transpose2d(x, self.up[1], stride=2, padding=1), 1).relu_()
        x = F.conv_transpose2d(x, self.up[2], stride=2, padding=1).tanh()
        x = F.leaky_relu(F.conv2d(x, self.down[0], stride=2, padding=1), 0.2)
        x = F.leaky_relu(self.norm(F.conv2d(x, self.down[1], stride=2, padding=1), 2), 0.2)
        return F.conv2d(x, self.down[2]).flatten(1)


UNET_TWINS: dict[str, Callable[[], nn.Module]] = {"functions": FunctionUNet, "parameters": ParameterUNet}
GAN_TWINS: dict[str, Callable[[], nn.Module]] = {"functions": FunctionGAN, "parameters": ParameterGAN}
