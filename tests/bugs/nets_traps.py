"""Suspicious but healthy networks: each builder gives the network, or the same with a fault in the suspicious spot."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.nets import CLASSES, FEATURES, WIDTH, Loss, cross_entropy, he, mlp, pictures, vectors

Built = tuple[nn.Module, Tensor, Loss]


class Branch(nn.Module):
    """A residual block whose branch ends in a norm weight of zero; the skip may be missing."""

    def __init__(self, skip: bool, channels: int = 16) -> None:
        super().__init__()
        self.enter, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.leave, self.last = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.skip = skip
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.last(self.leave(F.relu(self.norm(self.enter(x)))))
        return F.relu(x + branch if self.skip else branch)


def zero_gamma(faulty: bool) -> Built:
    """No gradient in any branch at the start, by design; without a skip around it the whole network stays so."""
    blocks = [Branch(skip=not (faulty and n == 2)) for n in range(4)]
    stem = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
    model = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))
    return model, pictures(), cross_entropy


def bias_before_batch_norm(faulty: bool) -> Built:
    """The norm takes any bias away, and with it the gradient; without the norm the bias closes every unit."""
    widths = [FEATURES, WIDTH, WIDTH, WIDTH]
    layers: list[nn.Module] = []
    for n in range(3):
        norm = nn.Identity() if faulty and n == 1 else nn.BatchNorm1d(WIDTH)
        layers += [nn.Linear(widths[n], WIDTH), norm, nn.ReLU()]
    model = he(nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES)))
    nn.init.constant_(model.get_submodule("3").bias, -20.0)
    return model, vectors(), cross_entropy


def constants_by_right(faulty: bool) -> Built:
    """Biases that are all zero and norm weights that are all one; a matrix of one value makes its units alike."""
    layers = [part for _ in range(3) for part in (nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.GELU())]
    model = he(nn.Sequential(nn.Linear(FEATURES, WIDTH), *layers, nn.Linear(WIDTH, CLASSES)))
    if faulty:
        nn.init.constant_(model.get_submodule("4").weight, 0.1)
    return model, vectors(), cross_entropy


def half_of_the_outputs_zero(faulty: bool) -> Built:
    """ReLU makes half of its outputs zero, and on eight samples all of some units; a bias of -8 shuts them for good."""
    model = he(nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, WIDTH), nn.ReLU()))
    if faulty:
        nn.init.constant_(model.get_submodule("2").bias, -8.0)
    return nn.Sequential(*model.children(), nn.Linear(WIDTH, CLASSES)), vectors(8), cross_entropy


class Attending(nn.Module):
    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        read = self.norm(x)
        return x + self.attention(read, read, read, need_weights=False)[0]


def attention_output(faulty: bool) -> Built:
    """``out_proj`` is never called, the attention uses its weight: no hook sees it, and yet it has to be judged."""
    blocks = [Attending() for _ in range(4)]
    if faulty:
        nn.init.normal_(blocks[1].attention.out_proj.weight, std=10.0)
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), *blocks, nn.Flatten(), nn.Linear(12 * WIDTH, CLASSES))
    return model, vectors(16 * 12).view(16, 12, FEATURES), cross_entropy


def wide_pictures_narrow_end(faulty: bool) -> Built:
    """A gradient spread over thousands of pixels is small in each, and as large as any in all; unless it vanishes."""
    pairs = pairwise((3, 8, 16, 32, 64))
    convs = [part for reads, gives in pairs for part in (nn.Conv2d(reads, gives, 3, 2, 1), nn.ReLU())]
    model = nn.Sequential(*convs, nn.Flatten(), nn.Linear(64 * 2 * 2, 64), nn.ReLU(), nn.Linear(64, CLASSES))
    he(model)
    if faulty:
        model.get_submodule("4").weight.data *= 1e-4
    return model, pictures(8, size=32), cross_entropy


def frozen_backbone(faulty: bool) -> Built:
    """What is frozen has no gradient and needs none; it still carries the signal of what trains."""
    model = mlp(5)
    if faulty:
        model.get_submodule("4").weight.data *= 1e-4
    for module in list(model.children())[:-1]:
        module.requires_grad_(False)
    return model, vectors(), cross_entropy


class Mixture(nn.Module):
    """Each sample goes to the expert that its router likes best: on few samples some are idle."""

    def __init__(self, detached: bool, experts: int = 16) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)) for _ in range(experts)
        )
        self.detached = detached

    def forward(self, x: Tensor) -> Tensor:
        chance, choice = self.router(x).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for n, expert in enumerate(self.experts):
            rows = torch.nonzero(choice == n).flatten()
            if len(rows):
                told = expert(x[rows])
                out = out.index_add(0, rows, told.detach() if self.detached else told)
        return x + chance[:, None] * out


def idle_experts(faulty: bool) -> Built:
    """Experts that no sample went to have no gradient in this batch; experts cut off from the loss have it in none."""
    model = nn.Sequential(nn.Linear(FEATURES, WIDTH), Mixture(faulty), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES))
    return model, vectors(8), cross_entropy
