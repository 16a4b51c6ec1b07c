"""Plain loops with several optimizers or models: adversaries, reinforcement, a teacher, variational inference."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pyro
import torch
import torch.nn.functional as F
from pyro import distributions
from pyro.infer import Trace_ELBO
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from .run import Loop, Run, Watch


def several() -> list[Run | Loop]:
    """Return the loops."""
    return [
        Loop("plain/adversaries", _adversaries, "two optimizers"),
        Loop("plain/deep Q-learning", _deep_q, "reinforcement learning, target network"),
        Loop("plain/teacher", _teacher, "EMA teacher, an optimizer for each parameter"),
        Loop("plain/variational inference", _variational, "Pyro"),
    ]


def _perceptron(*widths: int) -> nn.Sequential:
    layers = [nn.Sequential(nn.Linear(i, o), nn.ReLU()) for i, o in pairwise(widths[:-1])]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def _adversaries(steps: int, watch: Watch) -> list[float]:
    """Learn points on a circle; returns the losses of the discriminator."""
    model = nn.ModuleDict({"generator": _perceptron(8, 64, 64, 2), "discriminator": _perceptron(2, 64, 64, 1)})
    generator, discriminator = model["generator"], model["discriminator"]
    optimizers = [Adam(each.parameters(), 1e-3, betas=(0.5, 0.999)) for each in (discriminator, generator)]
    losses = []
    with watch(model, optimizers) as monitor:
        for _ in range(steps):
            angle = 6.2832 * torch.rand(64)
            real, fake = torch.stack([angle.cos(), angle.sin()], 1), generator(torch.randn(64, 8))
            loss = F.softplus(discriminator(fake.detach())).mean() + F.softplus(-discriminator(real)).mean()
            _one_step(monitor, model, optimizers[0], loss)
            _one_step(monitor, model, optimizers[1], F.softplus(-discriminator(fake)).mean())
            losses.append(float(loss.detach()))
    return losses


def _one_step(monitor: Any, model: nn.Module, optimizer: Optimizer, loss: Tensor) -> None:
    model.zero_grad()
    monitor.observe(loss)
    loss.backward()
    monitor.step(loss, optimizer=optimizer)
    optimizer.step()


def _deep_q(steps: int, watch: Watch) -> list[float]:
    """Learn to walk to the end of a corridor of eight cells: a step right is rewarded at the last one."""
    network = _perceptron(8, 64, 64, 2)
    target, optimizer, losses = copy.deepcopy(network).requires_grad_(False), Adam(network.parameters(), 1e-3), []
    with watch(network, optimizer) as monitor:
        for step in range(steps):
            place, action = torch.randint(8, (64,)), torch.randint(2, (64,))
            after = (place + 2 * action - 1).clamp(0, 7)
            reward = (after == 7).float()
            best = target(F.one_hot(after, 8).float()).max(1).values
            chosen = network(F.one_hot(place, 8).float()).gather(1, action.unsqueeze(1)).squeeze(1)
            loss = F.smooth_l1_loss(chosen, reward + 0.9 * (1 - reward) * best)
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
            if step % 10 == 9:
                target.load_state_dict(network.state_dict())
    return losses


class _Student(nn.Module):
    """A network with its moving average, which labels the unlabeled samples."""

    def __init__(self) -> None:
        super().__init__()
        self.student = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 3))
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, labeled: Tensor, unlabeled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        noisy = unlabeled + 0.1 * torch.randn_like(unlabeled)
        return self.student(labeled), self.student(noisy), self.teacher(unlabeled)

    @torch.no_grad()
    def follow(self) -> None:
        for mean, value in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(value, 0.05)


def _teacher(steps: int, watch: Watch) -> list[float]:
    """Train a mean teacher, each parameter with an optimizer of its own."""
    model, losses, centers = _Student(), [], 2 * torch.randn(3, 16)
    optimizers = [SGD([parameter], 0.05, momentum=0.9) for parameter in model.student.parameters()]
    with watch(model, optimizers) as monitor:
        for _ in range(steps):
            labels = torch.randint(3, (64,))
            samples = centers[labels] + torch.randn(64, 16)
            known, guess, teacher = model(samples[:16], samples[16:])
            consistency = F.mse_loss(guess.softmax(1), teacher.softmax(1))
            loss = F.cross_entropy(known, labels[:16]) + consistency
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            for optimizer in optimizers:
                optimizer.step()
            model.follow()
            losses.append(float(loss.detach()))
    return losses


class _Autoencoder(pyro.nn.PyroModule):
    """The variational autoencoder of Pyro's tutorial, small."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _perceptron(32, 64, 16), _perceptron(8, 64, 32)

    def model(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", distributions.Normal(torch.zeros(len(x), 8), 1.0).to_event(1))
            pyro.sample("x", distributions.Normal(self.decoder(z), 0.3).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            mean, log_scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", distributions.Normal(mean, log_scale.exp()).to_event(1))


def _variational(steps: int, watch: Watch) -> list[float]:
    """Fit the evidence lower bound with an optimizer of torch."""
    pyro.clear_param_store()
    model, losses, basis = _Autoencoder(), [], torch.randn(4, 32)
    optimizer, bound = Adam(model.parameters(), 1e-3), Trace_ELBO()
    with watch(model, optimizer) as monitor:
        for _ in range(steps):
            x = torch.randn(64, 4) @ basis / 2 + 0.1 * torch.randn(64, 32)
            loss = bound.differentiable_loss(model.model, model.guide, x) / 64
            optimizer.zero_grad()
            monitor.observe(loss)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses
