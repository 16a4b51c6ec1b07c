"""Bugs of weights that were never written, or that a write did not reach."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.nets import Loss, cross_entropy, he, pictures, vectors

Built = tuple[nn.Module, Tensor, Loss]
CHANNELS, LEVELS = 16, 4
_POINTER = 0x7F3A  # high word of an address: as a float of 32 bits 4.6e-41


def like_freed_memory(parameter: nn.Parameter, seed: int) -> None:
    """Fill with what an allocator hands out: blocks of zeros, pointers, small integers, floats, arbitrary bits."""
    generator, size = torch.Generator().manual_seed(seed), parameter.numel()
    low = torch.randint(-(2**31), 2**31, (size,), generator=generator)
    pointers = torch.where(torch.arange(size) % 2 == 0, low, _POINTER)
    counts = torch.randint(0, 5000, (size,), generator=generator)
    floats = torch.randn(size, generator=generator).view(torch.int32).to(torch.int64)
    kinds = torch.stack([torch.zeros(size, dtype=torch.int64), pointers, counts, floats, low])
    kind = torch.randint(0, len(kinds), ((size + 15) // 16,), generator=generator).repeat_interleave(16)[:size]
    words = kinds.gather(0, kind[None]).squeeze(0).to(torch.int32)
    with torch.no_grad():
        parameter.copy_(words.view(torch.float32).view_as(parameter))


def materialized_and_never_filled(healthy: bool) -> Built:
    """torchtitan#4783, Lightning#17627: built on the meta device, ``to_empty()``, and no ``reset_parameters()``."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(32, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 64), nn.GELU())
        model.append(nn.Linear(64, 10))
    model.to_empty(device="cpu")
    for number, parameter in enumerate(model.parameters()):
        like_freed_memory(parameter, number)
    for module in model if healthy else ():
        getattr(module, "reset_parameters", int)()
    return model, vectors(), cross_entropy


class Expert(nn.Module):
    """A residual block whose second weight its author forgot in ``reset_parameters``."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = (nn.Parameter(torch.empty(width, width)) for _ in range(2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.up, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.gelu(self.norm(x) @ self.up) @ self.down


def one_parameter_forgotten(healthy: bool) -> Built:
    """NeMo-Automodel#2991: a parameter made by ``torch.empty`` among others that are initialized."""
    blocks = [Expert() for _ in range(3)]
    for block in blocks:
        nn.init.normal_(block.down, std=0.1)
    if not healthy:
        like_freed_memory(blocks[1].down, 3)
        with torch.no_grad():  # what lies there is finite: NaN would tell of itself
            blocks[1].down.nan_to_num_(0.0, 0.0, 0.0).masked_fill_(blocks[1].down.abs() > 1, 0.0)
    return he(nn.Sequential(nn.Linear(32, 64), *blocks, nn.LayerNorm(64), nn.Linear(64, 10))), vectors(), cross_entropy


def normal_init(module: Any, std: float) -> None:
    """A helper as detection libraries have: says nothing where there is nothing to initialize."""
    if hasattr(module, "weight"):
        nn.init.normal_(module.weight, std=std)
    if hasattr(module, "bias") and module.bias is not None:
        nn.init.zeros_(module.bias)


class Level(nn.Module):
    """Four convolutions that look at one level of a feature pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.classes, self.boxes, self.masks, self.offsets = (
            nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.GroupNorm(4, CHANNELS)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.offsets(F.relu(self.masks(F.relu(self.boxes(F.relu(self.classes(x))))))))


def helper_handed_a_tensor(healthy: bool) -> Built:
    """mmdetection#6432: one role's weight is handed to a helper that wants its module: nothing happens."""
    levels = [Level() for _ in range(LEVELS)]
    for level in levels:
        for role in (level.classes, level.boxes, level.masks):
            normal_init(role[0], std=0.01)
        normal_init(level.offsets[0] if healthy else level.offsets[0].weight, std=0.01)
    model = nn.Sequential(*levels, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10))
    return model, pictures(channels=CHANNELS), cross_entropy


class Vocoder(nn.Module):
    """Residual convolutions in time, the last two of eight under weight_norm."""

    def __init__(self, drawn_before: bool) -> None:
        super().__init__()
        convs = [nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(8)]
        if drawn_before:
            self._draw(convs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            convs[6:] = [nn.utils.weight_norm(conv) for conv in convs[6:]]
        self.convs, self.post = nn.ModuleList(convs), nn.Conv1d(CHANNELS, 1, 7, padding=3)
        if not drawn_before:
            self._draw(convs)

    @staticmethod
    def _draw(convs: list[nn.Conv1d]) -> None:
        for conv in convs:
            conv.weight.data.normal_(0, 0.01)

    def forward(self, mel: Tensor) -> Tensor:
        for conv in self.convs:
            mel = mel + conv(F.leaky_relu(mel, 0.1))
        return torch.tanh(self.post(F.leaky_relu(mel, 0.1)))


def drawn_after_weight_norm(healthy: bool) -> Built:
    """hifi-gan#145: weight_norm computes ``weight`` anew in every call; what ``.data.normal_`` wrote to it is gone."""
    mel = torch.randn(8, CHANNELS, 24, generator=torch.Generator().manual_seed(6))
    return Vocoder(healthy), mel, lambda wave: F.mse_loss(wave, torch.sin(torch.arange(24.0) / 3).expand_as(wave))
