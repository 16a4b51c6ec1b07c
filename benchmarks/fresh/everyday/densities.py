"""Networks that model distributions: a variational RNN, a spline flow, a neural process."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.distributions import Normal, kl_divergence

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.nets import Net

FEATURES = 6


class VariationalRNN(nn.Module):
    """Chung et al. (2015): a code at every step, with a prior that depends on the past; PyTorch's initialization."""

    def __init__(self, width: int = 48, code: int = 12) -> None:
        super().__init__()
        self.width = width
        self.phi_x = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.phi_z = nn.Sequential(nn.Linear(code, width), nn.ReLU())
        self.encoder = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 2 * code))
        self.prior = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, FEATURES))
        self.cell = nn.GRUCell(2 * width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        state, made, divergences = x.new_zeros(len(x), self.width), [], []
        for features in self.phi_x(x).unbind(1):
            found = self._normal(self.encoder(torch.cat([features, state], 1)))
            guess = self._normal(self.prior(state))
            code = self.phi_z(found.rsample())
            made.append(self.decoder(torch.cat([code, state], 1)))
            divergences.append(kl_divergence(found, guess).sum(1))
            state = self.cell(torch.cat([features, code], 1), state)
        return torch.stack(made, 1), torch.stack(divergences, 1)

    @staticmethod
    def _normal(parameters: Tensor) -> Normal:
        mean, spread = parameters.chunk(2, -1)
        return Normal(mean, F.softplus(spread) + 1e-3, validate_args=False)


class ResidualConditioner(nn.Module):
    """Two residual blocks; their last layers start as U(-0.001, 0.001), as in the published code."""

    def __init__(self, inputs: int, outputs: int, width: int = 48) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.blocks = nn.ModuleList(nn.ModuleList(nn.Linear(width, width) for _ in range(2)) for _ in range(2))
        for _, second in self.blocks:
            nn.init.uniform_(second.weight, -1e-3, 1e-3)
            nn.init.uniform_(second.bias, -1e-3, 1e-3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for first, second in self.blocks:
            x = x + second(F.relu(first(F.relu(x))))
        return self.last(x)


class SplineCoupling(nn.Module):
    """Durkan et al. (2019): half of the features parametrize a monotone rational-quadratic spline for the others."""

    bins, bound, least = 6, 4.0, 1e-3

    def __init__(self) -> None:
        super().__init__()
        self.width = FEATURES // 2
        self.conditioner = ResidualConditioner(self.width, self.width * (3 * self.bins - 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = x.chunk(2, 1)
        shape = self.conditioner(kept).unflatten(1, (self.width, -1))
        widths, heights, slopes = shape.split((self.bins, self.bins, self.bins - 1), -1)
        root = self.conditioner.last.in_features**0.5  # as in the published code
        made, log_slope = self._spline(moved, widths / root, heights / root, slopes)
        return torch.cat([made, kept], 1), log_slope.sum(1)

    def _spline(self, x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.abs() < self.bound
        x_knots, y_knots = self._knots(widths), self._knots(heights)
        # The derivative is one at both ends, because the spline is the identity outside.
        slopes = F.pad(F.softplus(slopes + 0.5413) + self.least, (1, 1), value=1.0)
        index = torch.searchsorted(x_knots[..., 1:-1].contiguous(), x[..., None].detach().contiguous())
        left, right, low, high, before, after = (
            part.gather(-1, index + step).squeeze(-1) for part in (x_knots, y_knots, slopes) for step in (0, 1)
        )
        ratio = (high - low) / (right - left)
        place = ((x - left) / (right - left)).clamp(0, 1)
        mixed = place * (1 - place)
        below = ratio + (before + after - 2 * ratio) * mixed
        made = low + (high - low) * (ratio * place.square() + before * mixed) / below
        steep = after * place.square() + 2 * ratio * mixed + before * (1 - place).square()
        log_slope = 2 * ratio.log() + steep.log() - 2 * below.log()
        return torch.where(inside, made, x), torch.where(inside, log_slope, 0.0)

    def _knots(self, shares: Tensor) -> Tensor:
        shares = self.least + (1 - self.least * self.bins) * shares.softmax(-1)
        return F.pad(2 * self.bound * shares.cumsum(-1), (1, 0)) - self.bound


class SplineFlow(nn.Module):
    def __init__(self, layers: int = 5) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SplineCoupling() for _ in range(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_slope = layer(x)
            total = total + log_slope
        return x, total


class NeuralProcess(nn.Module):
    """Garnelo et al. (2018), with attention (Kim et al. 2019): predicts a function from a few of its values."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.places = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.decoder = nn.Sequential(
            nn.Linear(width + 1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )

    def forward(self, x: Tensor, y: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        known = self.encoder(torch.cat([x, y], -1))
        found, _ = self.attention(self.places(query), self.places(x), known, need_weights=False)
        mean, spread = self.decoder(torch.cat([found, query], -1)).chunk(2, -1)
        return mean, 0.1 + 0.9 * F.softplus(spread)


def moving(generator: Generator) -> Drawn:
    phase, pace = torch.rand(2, 32, 1, FEATURES, generator=generator)
    time = torch.arange(16)[None, :, None] / 8
    x = (6.283 * (phase + (0.5 + pace) * time)).sin() + 0.2 * torch.randn(32, 16, FEATURES, generator=generator)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        made, divergence = output
        return 0.5 * (made - x).square().sum(-1).mean() + divergence.mean()

    return x, loss


def scattered(generator: Generator) -> Drawn:
    angle = 6.283 * torch.rand(128, FEATURES // 2, generator=generator)
    points = torch.cat([angle.cos(), angle.sin()], 1) * 1.4 + 0.2 * torch.randn(128, FEATURES, generator=generator)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        code, log_slope = output
        return (0.5 * code.square().sum(1) - log_slope).mean()

    return points, loss


def drawn_functions(generator: Generator) -> Drawn:
    x = 4 * torch.rand(24, 30, 1, generator=generator) - 2
    size, pace, phase = torch.rand(3, 24, 1, 1, generator=generator)
    y = (0.5 + size) * ((1 + 2 * pace) * x + 6.283 * phase).sin()

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        mean, spread = output
        return -Normal(mean, spread, validate_args=False).log_prob(y).mean()

    return (x[:, :10], y[:, :10], x), loss


NETS: tuple[Net, ...] = (
    everyday("variational_rnn", "variational recurrent net", VariationalRNN, moving),
    everyday("spline_flow", "spline flow", SplineFlow, scattered),
    everyday("neural_process", "neural process", NeuralProcess, drawn_functions),
)
