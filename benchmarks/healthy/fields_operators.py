"""Networks that map functions to functions."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday


def smooth_functions(generator: Generator, count: int, points: int = 64, waves: int = 6) -> Tensor:
    """Return periodic functions with about unit variance ``(count, points)``."""
    x = torch.arange(points) / points
    k = torch.arange(1, waves + 1)
    a, b = (torch.randn(count, waves, generator=generator) / k for _ in range(2))
    angle = 2 * math.pi * k[:, None] * x
    return (a @ angle.sin() + b @ angle.cos()) / 1.2


def glorot_mlp(sizes: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        linear = nn.Linear(a, b)
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class DeepONet(nn.Module):
    """The branch network reads the function at its sensors, the trunk network the coordinate of the output."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = glorot_mlp((64, 64, 64, 40))
        self.trunk = glorot_mlp((1, 64, 64, 40))
        self.b = nn.Parameter(torch.tensor(0.0))

    def forward(self, sensors: Tensor, places: Tensor) -> Tensor:
        return torch.einsum("ni,npi->np", self.branch(sensors), F.relu(self.trunk(places))) + self.b


def antiderivative(generator: Generator) -> Drawn:
    u = smooth_functions(generator, 64)
    place = torch.randint(64, (64, 16), generator=generator)
    target = (u.cumsum(1) / 64).gather(1, place) * 4
    return (u, place[..., None] / 64), lambda output: F.mse_loss(output, target)


class SpectralConv1d(nn.Module):
    def __init__(self, inputs: int, outputs: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.scale = 1 / (inputs * outputs)
        self.weights1 = nn.Parameter(self.scale * torch.rand(inputs, outputs, modes, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        x_ft = torch.fft.rfft(x)
        out = torch.zeros(len(x), self.weights1.shape[1], x_ft.shape[-1], dtype=torch.cfloat)
        out[:, :, : self.modes] = torch.einsum("bix,iox->box", x_ft[:, :, : self.modes], self.weights1)
        return torch.fft.irfft(out, n=x.size(-1))


class FNO1d(nn.Module):
    def __init__(self, modes: int = 16, width: int = 48) -> None:
        super().__init__()
        self.fc0 = nn.Linear(2, width)
        self.convs = nn.ModuleList(SpectralConv1d(width, width, modes) for _ in range(4))
        self.ws = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, 128), nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        grid = torch.linspace(0, 1, x.shape[1]).expand_as(x)
        h = self.fc0(torch.stack([x, grid], -1)).permute(0, 2, 1)
        for i, (conv, w) in enumerate(zip(self.convs, self.ws, strict=True)):
            h = conv(h) + w(h)
            h = F.gelu(h) if i < 3 else h
        return self.fc2(F.gelu(self.fc1(h.permute(0, 2, 1)))).squeeze(-1)


def relative(output: Tensor, target: Tensor) -> Tensor:
    """Return the loss that is used for Fourier operators."""
    return ((output - target).flatten(1).norm(dim=1) / target.flatten(1).norm(dim=1)).sum()


def transport(generator: Generator) -> Drawn:
    """Advection and diffusion of a function, with a reaction."""
    u = smooth_functions(generator, 32)
    k = torch.arange(33)
    later = torch.fft.irfft(torch.fft.rfft(u) * torch.exp(-0.02 * k**2 - 0.9j * k), n=64)
    return u, lambda output: relative(output, later - 0.3 * later**3)


class FNO2d(nn.Module):
    def __init__(self, modes: int = 6, width: int = 24, depth: int = 4) -> None:
        super().__init__()
        self.modes = modes
        self.lift = nn.Conv2d(3, width, 1)
        shape = (2, width, width, modes, modes)
        self.spectral = nn.ParameterList(torch.rand(shape, dtype=torch.cfloat) / width**2 for _ in range(depth))
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(depth))
        self.project = nn.Sequential(nn.Conv2d(width, 64, 1), nn.GELU(), nn.Conv2d(64, 1, 1))

    def mixed(self, h: Tensor, weight: Tensor) -> Tensor:
        m, spectrum = self.modes, torch.fft.rfft2(h)
        out = torch.zeros_like(spectrum)
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :m, :m], weight[0])
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -m:, :m], weight[1])
        return torch.fft.irfft2(out, s=h.shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        line = torch.linspace(0, 1, x.shape[-1])
        grid = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(x), -1, -1, -1)
        h = self.lift(torch.cat([x, grid], 1))
        for i, (weight, conv) in enumerate(zip(self.spectral, self.pointwise, strict=True)):
            h = self.mixed(h, weight) + conv(h)
            h = F.gelu(h) if i < len(self.pointwise) - 1 else h
        return self.project(h)


def poisson(generator: Generator) -> Drawn:
    """The potential of a smooth charge on a torus, both with unit variance."""
    k = torch.fft.fftfreq(24, 1 / 24)
    square = k[:, None] ** 2 + k[: 24 // 2 + 1].abs() ** 2
    noise = torch.fft.rfft2(torch.randn(16, 1, 24, 24, generator=generator))
    charge = torch.fft.irfft2(noise / (1 + square / 4), s=(24, 24))
    inverse = torch.where(square > 0, 1 / square.clamp(min=1), torch.zeros(()))
    potential = torch.fft.irfft2(torch.fft.rfft2(charge) * inverse, s=(24, 24))
    return charge / charge.std(), lambda output: relative(output, potential / potential.std())


NETS = (
    everyday("deeponet", "deep operator net", DeepONet, antiderivative),
    everyday("fno-1d", "Fourier operator", FNO1d, transport),
    everyday("fno-2d", "Fourier operator", FNO2d, poisson),
)
