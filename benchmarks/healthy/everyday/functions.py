"""Healthy networks that fit functions: radial bases, Fourier features, convex and monotone ones, ensembles."""

from __future__ import annotations

from itertools import pairwise
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws


class RadialBasis(nn.Module):
    """Gaussians centered at samples of the data, each with its own width, followed by a linear layer."""

    def __init__(self, samples: Tensor, outputs: int = 1) -> None:
        super().__init__()
        self.centres = nn.Parameter(samples.clone())
        distance = torch.cdist(samples, samples).median()
        self.log_widths = nn.Parameter(torch.full((len(samples),), float(distance.log())))
        self.linear = nn.Linear(len(samples), outputs)

    def forward(self, x: Tensor) -> Tensor:
        distances = (x[:, None] - self.centres).norm(dim=-1)
        return self.linear(torch.exp(-((distances / self.log_widths.exp()) ** 2)))


class FourierFeatures(nn.Module):
    """Sines and cosines of fixed random frequencies, followed by an MLP (Tancik et al. 2020)."""

    def __init__(self, frequencies: int = 64, scale: float = 2.0, width: int = 128) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(2, frequencies))
        self.mlp = nn.Sequential(
            nn.Linear(2 * frequencies, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, points: Tensor) -> Tensor:
        angles = 2 * pi * points @ self.frequencies
        return self.mlp(torch.cat([angles.sin(), angles.cos()], -1))


class InputConvex(nn.Module):
    """Convex in its input due to positive weights, log-normal as derived by Hoedt and Klambauer (2023)."""

    def __init__(self, inputs: int = 8, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        nn.init.normal_(self.first.weight, std=inputs**-0.5)
        nn.init.zeros_(self.first.bias)
        spread = 6 * (pi - 1) + (width - 1) * (3 * 3**0.5 + 2 * pi - 6)
        mean, variance = (6 * pi / (width * spread)) ** 0.5, 1 / width
        deviation = log(1 + variance / mean**2) ** 0.5
        self.log_weights = nn.ParameterList(
            torch.empty(outputs, width).normal_(log(mean) - deviation**2 / 2, deviation)
            for outputs in (*[width] * (layers - 1), 1)
        )
        self.biases = nn.ParameterList(
            torch.full(w.shape[:1], -((3 * width / spread) ** 0.5)) for w in self.log_weights
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for log_weight, bias in zip(self.log_weights, self.biases, strict=True):
            x = F.linear(F.relu(x), log_weight.exp(), bias)
        return x


class Monotone(nn.Module):
    """Increases with every input: weights are exponentials of the parameters, about one over the number of inputs."""

    def __init__(self, inputs: int = 8, width: int = 32) -> None:
        super().__init__()
        self.raw = nn.ParameterList(
            torch.randn(outputs, size) * 0.5 - log(size)
            for size, outputs in ((inputs, width), (width, width), (width, 1))
        )
        self.biases = nn.ParameterList(torch.empty(w.shape[0]).uniform_(-1, 1) for w in self.raw)

    def forward(self, x: Tensor) -> Tensor:
        for i, (weight, bias) in enumerate(zip(self.raw, self.biases, strict=True)):
            x = F.linear(x, weight.exp(), bias)
            x = torch.tanh(x) if i < 2 else x
        return x


class Ensemble(nn.Module):
    """Five networks computed by batched products, each with a mean and a variance (as in model-based control)."""

    def __init__(self, sizes: tuple[int, ...] = (16, 64, 64, 2), members: int = 5) -> None:
        super().__init__()
        shapes = list(pairwise(sizes))
        self.w = nn.ParameterList(torch.empty(members, a, b) for a, b in shapes)
        self.b = nn.ParameterList(torch.zeros(members, 1, b) for _, b in shapes)
        for weight in self.w:
            nn.init.trunc_normal_(weight, std=1 / (2 * weight.shape[1] ** 0.5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = x.expand(self.w[0].shape[0], *x.shape)
        for i, (weight, bias) in enumerate(zip(self.w, self.b, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = F.silu(hidden) if i < len(self.w) - 1 else hidden
        mean, variance = hidden.chunk(2, -1)
        return mean, F.softplus(variance) + 1e-4


def radial_basis() -> Case:
    inputs, target = draws.measured(128, 4)
    return draws.regressing(RadialBasis(inputs[torch.randperm(len(inputs))[:32]]), inputs, target)


def fourier_features() -> Case:
    """Colors of an image at random points."""
    points = torch.rand(128, 2, generator=draws.fresh())
    turns = points @ (3 * torch.randn(2, 3, generator=draws.fixed(6)))
    return draws.regressing(FourierFeatures(), points, (2 * pi * turns).sin() / 2 + 0.5)


def input_convex() -> Case:
    inputs = torch.randn(128, 8, generator=draws.fresh())
    raw = (inputs @ torch.randn(8, 4, generator=draws.fixed(2))).abs().sum(1, keepdim=True)
    return draws.regressing(InputConvex(), inputs, (raw - 9) / 3.5)


def monotone() -> Case:
    inputs = torch.randn(128, 8, generator=draws.fresh())
    rising = (inputs @ torch.rand(8, 4, generator=draws.fixed(2))).tanh().sum(1, keepdim=True) / 2.5
    return draws.regressing(Monotone(), inputs, rising)


def ensemble() -> Case:
    inputs, target = draws.measured(64, 16)
    return Case(Ensemble(), inputs, lambda out: F.gaussian_nll_loss(out[0], target.expand_as(out[0]), out[1]))


NETS: tuple[Net, ...] = (
    Net("everyday/radial_basis", "radial basis", radial_basis),
    Net("everyday/fourier_features", "Fourier features", fourier_features),
    Net("everyday/input_convex", "input convex", input_convex),
    Net("everyday/monotone", "monotone", monotone),
    Net("everyday/ensemble", "ensemble", ensemble),
)
