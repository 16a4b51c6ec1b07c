"""Reinforcement learning: noisy values, a residual policy, a residual tower with two heads, a world model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.distributions import Normal, kl_divergence

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.nets import Net

SEEN, ACTIONS = 10, 5


class NoisyLinear(nn.Module):
    """Fortunato et al. (2018): learned scales of rank-one noise on the weights, initialized as published."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight_mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias_mu = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(torch.full((outputs, inputs), 0.5 * bound))
        self.bias_sigma = nn.Parameter(torch.full((outputs,), 0.5 * outputs**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        left, right = (torch.randn(size) for size in reversed(self.weight_mu.shape))
        left, right = (noise.sign() * noise.abs().sqrt() for noise in (left, right))
        weight = self.weight_mu + self.weight_sigma * torch.outer(right, left)
        return F.linear(x, weight, self.bias_mu + self.bias_sigma * right)


class NoisyValues(nn.Module):
    """A dueling Q-network that explores by noise in its weights."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(SEEN, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.advantage = nn.Sequential(NoisyLinear(width, width), nn.ReLU(), NoisyLinear(width, ACTIONS))
        self.value = nn.Sequential(NoisyLinear(width, width), nn.ReLU(), NoisyLinear(width, 1))

    def forward(self, seen: Tensor) -> Tensor:
        hidden = self.body(seen)
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(1, keepdim=True)


class ScreenBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv1(F.relu(self.conv0(F.relu(x))))


class Impala(nn.Module):
    """The deep network of Espeholt et al. (2018): residual blocks without norms; PyTorch's initialization."""

    def __init__(self) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for inputs, outputs in ((3, 16), (16, 32), (32, 32)):
            stages += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(3, 2, 1)]
            stages += [ScreenBlock(outputs), ScreenBlock(outputs)]
        self.stages = nn.Sequential(*stages, nn.Flatten(), nn.ReLU(), nn.Linear(32 * 4 * 4, 128), nn.ReLU())
        self.policy, self.value = nn.Linear(128, ACTIONS), nn.Linear(128, 1)

    def forward(self, screens: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.stages(screens / 255.0)
        return self.policy(hidden), self.value(hidden).squeeze(1)


class BoardBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


class BoardTower(nn.Module):
    """AlphaZero (Silver et al. 2018): a residual tower with heads for the move and the winner."""

    def __init__(self, width: int = 32, blocks: int = 4, size: int = 6) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.tower = nn.Sequential(*(BoardBlock(width) for _ in range(blocks)))
        self.move = nn.Sequential(
            nn.Conv2d(width, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(),
            nn.Linear(2 * size * size, size * size),
        )  # fmt: skip
        self.winner = nn.Sequential(
            nn.Conv2d(width, 1, 1, bias=False), nn.BatchNorm2d(1), nn.ReLU(), nn.Flatten(),
            nn.Linear(size * size, 64), nn.ReLU(), nn.Linear(64, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, boards: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.tower(self.stem(boards))
        return self.move(hidden), self.winner(hidden).squeeze(1)


class WorldModel(nn.Module):
    """Hafner et al. (2019): a deterministic and a stochastic state, which predict observation and reward."""

    def __init__(self, width: int = 48, code: int = 12) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SEEN, width), nn.ELU(), nn.Linear(width, width), nn.ELU())
        self.joined = nn.Sequential(nn.Linear(code + ACTIONS, width), nn.ELU())
        self.cell = nn.GRUCell(width, width)
        self.prior = nn.Sequential(nn.Linear(width, width), nn.ELU(), nn.Linear(width, 2 * code))
        self.posterior = nn.Sequential(nn.Linear(2 * width, width), nn.ELU(), nn.Linear(width, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(width + code, width), nn.ELU(), nn.Linear(width, SEEN))
        self.reward = nn.Sequential(nn.Linear(width + code, width), nn.ELU(), nn.Linear(width, 1))
        self.width, self.code = width, code

    def forward(self, seen: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        state, code = seen.new_zeros(len(seen), self.width), seen.new_zeros(len(seen), self.code)
        features, divergences = [], []
        for view, action in zip(self.encoder(seen).unbind(1), actions.unbind(1), strict=True):
            state = self.cell(self.joined(torch.cat([code, action], 1)), state)
            guess, found = self._normal(self.prior(state)), self._normal(self.posterior(torch.cat([state, view], 1)))
            code = found.rsample()
            features.append(torch.cat([state, code], 1))
            divergences.append(kl_divergence(found, guess).sum(1))
        hidden = torch.stack(features, 1)
        return self.decoder(hidden), self.reward(hidden).squeeze(-1), torch.stack(divergences, 1)

    @staticmethod
    def _normal(parameters: Tensor) -> Normal:
        mean, spread = parameters.chunk(2, -1)
        return Normal(mean, F.softplus(spread) + 0.1, validate_args=False)


def valued(generator: Generator) -> Drawn:
    seen = torch.randn(64, SEEN, generator=generator)
    returns = (seen @ torch.randn(SEEN, ACTIONS, generator=generator) / SEEN**0.5).tanh()
    taken = torch.randint(ACTIONS, (64, 1), generator=generator)
    return seen, lambda values: F.smooth_l1_loss(values.gather(1, taken), returns.gather(1, taken))


def played(generator: Generator) -> Drawn:
    coarse = torch.rand(24, 3, 8, 8, generator=generator)
    screens = F.interpolate(coarse, size=32, mode="bilinear") * 255
    actions = torch.randint(ACTIONS, (24, 1), generator=generator)
    advantages, returns = torch.randn(2, 24, generator=generator)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        logits, values = output
        log_probability = logits.log_softmax(1)
        entropy = -(log_probability.exp() * log_probability).sum(1).mean()
        policy = -(advantages * log_probability.gather(1, actions).squeeze(1)).mean()
        return policy + 0.5 * F.mse_loss(values, returns) - 0.01 * entropy

    return screens, loss


def searched(generator: Generator) -> Drawn:
    stones = torch.randint(3, (48, 6, 6), generator=generator)
    boards = F.one_hot(stones, 3).permute(0, 3, 1, 2).float()
    visits = torch.rand(48, 36, generator=generator).pow(4)
    visits, winners = visits / visits.sum(1, keepdim=True), torch.randn(48, generator=generator).sign()
    return boards, lambda output: F.cross_entropy(output[0], visits) + F.mse_loss(output[1], winners)


def lived(generator: Generator) -> Drawn:
    steps = 0.4 * torch.randn(32, 12, SEEN, generator=generator)
    seen = steps.cumsum(1) / 1.2
    actions = F.one_hot(torch.randint(ACTIONS, (32, 12), generator=generator), ACTIONS).float()
    rewards = seen[..., :3].sum(-1).tanh()

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        made, earned, divergence = output
        distance = 0.5 * (made - seen).square().sum(-1).mean()
        return distance + 0.5 * F.mse_loss(earned, rewards) + divergence.clamp(min=1.0).mean()

    return (seen, actions), loss


NETS: tuple[Net, ...] = (
    everyday("noisy_values", "noisy net", NoisyValues, valued),
    everyday("impala", "residual policy", Impala, played),
    everyday("board_tower", "policy and value tower", BoardTower, searched),
    everyday("world_model", "recurrent state-space model", WorldModel, lived),
)
