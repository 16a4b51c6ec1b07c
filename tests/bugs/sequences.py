"""A vocoder with weight_norm, and a selective state space model."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import VOCABULARY, Scene, next_token, seeded

CHANNELS, WIDTH, STATES, RANK = 64, 32, 16, 4


def weight_norm(module: nn.Module) -> nn.Module:
    """The version used by hifi-gan: ``weight`` is a plain tensor that is recomputed in every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.nn.utils.weight_norm(module)


class Residual(nn.Module):
    """A residual block of HiFi-GAN: ``first`` is initialized correctly, before weight_norm is applied."""

    def __init__(self, channels: int, first: bool) -> None:
        super().__init__()
        convs = [nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation) for dilation in (1, 3, 5)]
        self.convs = nn.ModuleList(drawn(conv, first) for conv in convs)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + conv(F.leaky_relu(x, 0.1))
        return x


def drawn(conv: nn.Module, first: bool) -> nn.Module:
    if first:
        conv.weight.data.normal_(0, 0.01)
        return weight_norm(conv)
    conv = weight_norm(conv)
    conv.weight.data.normal_(0, 0.01)  # written to the tensor that weight_norm recomputes
    return conv


class Generator(nn.Module):
    """Upsampling and residual blocks, all with weight_norm; the first layer is never initialized."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.conv_pre = weight_norm(nn.Conv1d(16, CHANNELS, 7, padding=3))
        sizes = [CHANNELS, CHANNELS // 2, CHANNELS // 4]
        ups = [nn.ConvTranspose1d(a, b, 4, 2, 1) for a, b in pairwise(sizes)]
        self.ups = nn.ModuleList(drawn(up, first) for up in ups)
        self.resblocks = nn.ModuleList(Residual(channels, first) for channels in sizes[1:])
        self.conv_post = drawn(nn.Conv1d(sizes[-1], 1, 7, padding=3), first)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_pre(x)
        for up, block in zip(self.ups, self.resblocks, strict=True):
            x = block(up(F.leaky_relu(x, 0.1)))
        return torch.tanh(self.conv_post(F.leaky_relu(x, 0.1)))


def drawn_after_weight_norm(fixed: bool) -> Scene:
    """jik876/hifi-gan#145: ``.data.normal_`` after ``weight_norm`` writes to a tensor that is recomputed."""
    model, mel = Generator(fixed), torch.randn(8, 16, 12)
    wave = torch.sin(torch.arange(48) / 5).expand(8, 1, -1)
    return Scene(model, mel, lambda out: F.l1_loss(out, wave), adam=True)


class Mamba(nn.Module):
    """A selective state space mixer with the scan written as a loop."""

    def __init__(self) -> None:
        super().__init__()
        inner = 2 * WIDTH
        self.in_proj = nn.Linear(WIDTH, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, 4, groups=inner, padding=3)
        self.x_proj = nn.Linear(inner, RANK + 2 * STATES, bias=False)
        self.dt_proj, self.out_proj = nn.Linear(RANK, inner), nn.Linear(inner, WIDTH, bias=False)
        self.A_log = nn.Parameter(torch.arange(1, STATES + 1.0).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        nn.init.uniform_(self.dt_proj.weight, -(RANK**-0.5), RANK**-0.5)
        steps = torch.exp(torch.rand(inner) * math.log(100) + math.log(1e-3))  # 0.001 to 0.1, log-uniform
        self.dt_proj.bias.data.copy_(steps + torch.log(-torch.expm1(-steps)))  # inverse of softplus

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.in_proj(x).chunk(2, -1)
        x = F.silu(self.conv1d(x.mT)[..., : x.shape[1]].mT)
        rank, enter, leave = self.x_proj(x).split((RANK, STATES, STATES), -1)
        steps = F.softplus(self.dt_proj(rank))
        decay = torch.exp(steps[..., None] * -torch.exp(self.A_log))
        added = (steps * x)[..., None] * enter[..., None, :]
        state, outputs = torch.zeros_like(added[:, 0]), []
        for time in range(x.shape[1]):
            state = decay[:, time] * state + added[:, time]
            outputs.append((state * leave[:, time, None]).sum(-1))
        return self.out_proj((torch.stack(outputs, 1) + self.D * x) * F.silu(gate))


class StateSpaceModel(nn.Module):
    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.norms = nn.ModuleList(nn.RMSNorm(WIDTH) for _ in range(layers))
        self.mixers = nn.ModuleList(Mamba() for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            x = x + mixer(norm(x))
        return self.head(self.norm(x))


def time_steps_overwritten(fixed: bool) -> Scene:
    """HazyResearch/zoology#32 and athms/mad-lab#3: a loop over all linear layers overwrites Mamba's ``dt_proj``."""
    tokens, targets = seeded()
    model = StateSpaceModel()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and not (fixed and name.endswith("dt_proj")):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
    return Scene(model, tokens, next_token(targets))
