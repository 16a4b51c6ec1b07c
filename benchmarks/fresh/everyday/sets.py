"""Networks with selective attention: over features of a table, objects of an image, positions in a list."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday import draws
from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.healthy.pictures_draws import pictures
from benchmarks.nets import Net


class GatedLayer(nn.Module):
    """Linear, BatchNorm, GLU; Xavier normal with TabNet's gain."""

    def __init__(self, inputs: int, width: int, linear: nn.Linear | None = None) -> None:
        super().__init__()
        self.linear = linear or glu_linear(inputs, width)
        self.norm = nn.BatchNorm1d(2 * width, momentum=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.norm(self.linear(x)))


def glu_linear(inputs: int, width: int) -> nn.Linear:
    linear = nn.Linear(inputs, 2 * width, bias=False)
    nn.init.xavier_normal_(linear.weight, gain=((inputs + 2 * width) / inputs**0.5) ** 0.5)
    return linear


class Transform(nn.Module):
    """Two layers with weights shared by all steps, and two layers of this step."""

    def __init__(self, inputs: int, width: int, shared: list[nn.Linear]) -> None:
        super().__init__()
        parts = [GatedLayer(inputs, width, shared[0]), GatedLayer(width, width, shared[1])]
        self.layers = nn.ModuleList([*parts, GatedLayer(width, width), GatedLayer(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.layers
        x = first(x)
        for layer in rest:
            x = (x + layer(x)) * 0.5**0.5
        return x


class TabNet(nn.Module):
    """Arik and Pfister (2021): attention selects the features that each step uses."""

    def __init__(self, inputs: int = 16, width: int = 16, steps: int = 3) -> None:
        super().__init__()
        self.width = width
        self.norm = nn.BatchNorm1d(inputs, momentum=0.01)
        shared = [glu_linear(inputs, 2 * width), glu_linear(2 * width, 2 * width)]
        self.splitter = Transform(inputs, 2 * width, shared)
        self.transforms = nn.ModuleList(Transform(inputs, 2 * width, shared) for _ in range(steps))
        self.attention = nn.ModuleList(nn.Linear(width, inputs, bias=False) for _ in range(steps))
        self.attention_norms = nn.ModuleList(nn.BatchNorm1d(inputs, momentum=0.02) for _ in range(steps))
        self.head = nn.Linear(width, 1, bias=False)
        for layer in self.attention:
            nn.init.xavier_normal_(layer.weight, gain=((width + inputs) / (4 * width) ** 0.5) ** 0.5)
        nn.init.xavier_normal_(self.head.weight, gain=((width + 1) / (4 * width) ** 0.5) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        prior, total = torch.ones_like(x), torch.zeros(())
        state = self.splitter(x)[:, self.width :]
        for transform, attend, norm in zip(self.transforms, self.attention, self.attention_norms, strict=True):
            mask = (prior * norm(attend(state))).softmax(-1)
            prior = prior * (1.3 - mask)
            used, state = transform(mask * x).split(self.width, 1)
            total = total + F.relu(used)
        return self.head(total)


class SlotAttention(nn.Module):
    """Locatello et al. (2020): slots compete for the positions of an image, and each is decoded to a part of it."""

    def __init__(self, width: int = 32, slots: int = 4, rounds: int = 3) -> None:
        super().__init__()
        self.rounds = rounds
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, width, 5, 2, 2), nn.ReLU()
        )
        self.places, self.encoded = nn.Linear(4, width), nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.mean, self.log_deviation = (nn.Parameter(torch.empty(1, slots, width)) for _ in range(2))
        nn.init.xavier_uniform_(self.mean)
        nn.init.xavier_uniform_(self.log_deviation)
        self.norm_inputs, self.norm_slots, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.cell = nn.GRUCell(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.spread = nn.Linear(4, width)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, 4, 3, padding=1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        features = self.encoder(images)
        grid = self._grid(features.shape[-1])
        inputs = self.norm_inputs(self.encoded(features.permute(0, 2, 3, 1) + self.places(grid)).flatten(1, 2))
        slots = self.mean + self.log_deviation.exp() * torch.randn(len(images), *self.mean.shape[1:])
        k, v = self.k(inputs), self.v(inputs)
        for _ in range(self.rounds):
            scores = k @ self.q(self.norm_slots(slots)).transpose(1, 2) * k.shape[-1] ** -0.5
            shares = scores.softmax(-1) + 1e-8
            update = (shares / shares.sum(1, keepdim=True)).transpose(1, 2) @ v
            slots = self.cell(update.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
            slots = slots + self.mlp(self.norm_mlp(slots))
        return self._painted(slots, grid)

    def _painted(self, slots: Tensor, grid: Tensor) -> Tensor:
        spread = slots.flatten(0, 1)[:, None, None] + self.spread(grid)
        made = self.decoder(spread.permute(0, 3, 1, 2)).unflatten(0, slots.shape[:2])
        colors, masks = made.split((3, 1), 2)
        return (colors * masks.softmax(1)).sum(1)

    @staticmethod
    def _grid(size: int) -> Tensor:
        line = torch.linspace(0, 1, size)
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x, y, 1 - x, 1 - y], -1)


class PointerNet(nn.Module):
    """Vinyals et al. (2015): sorts numbers by attention over their positions; U(-0.08, 0.08), as published."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Linear(1, width)
        self.encoder, self.cell = nn.LSTM(width, width, batch_first=True), nn.LSTMCell(width, width)
        self.start = nn.Parameter(torch.empty(width))
        self.key, self.query, self.score = (nn.Linear(width, size, bias=False) for size in (width, width, 1))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.08, 0.08)

    def forward(self, numbers: Tensor, order: Tensor) -> Tensor:
        """Return logits over positions, given the correct previous positions."""
        inputs = self.embedding(numbers[..., None])
        memory, (state, cell) = self.encoder(inputs)
        state, cell, keys, logits = state[0], cell[0], self.key(memory), []
        following = inputs.gather(1, order[..., None].expand_as(inputs))
        for step in [self.start.expand_as(state), *following.unbind(1)[:-1]]:
            state, cell = self.cell(step, (state, cell))
            logits.append(self.score((keys + self.query(state)[:, None]).tanh()).squeeze(-1))
        return torch.stack(logits, 1)


def table(generator: Generator) -> Drawn:
    features, target = draws.measured(128)
    return features, lambda made: F.mse_loss(made, target)


def painted(generator: Generator) -> Drawn:
    images = pictures(generator, 8, 32)[0] / 2
    return images, lambda made: F.mse_loss(made, images)


def sorted_numbers(generator: Generator) -> Drawn:
    numbers = torch.rand(64, 8, generator=generator)
    order = numbers.argsort(1)
    return (numbers, order), lambda logits: F.cross_entropy(logits.flatten(0, 1), order.flatten())


NETS: tuple[Net, ...] = (
    everyday("tabnet", "TabNet", TabNet, table),
    everyday("slot_attention", "slot attention", SlotAttention, painted),
    everyday("pointer_net", "pointer net", PointerNet, sorted_numbers),
)
