"""Language models: experts that choose their tokens, linear recurrence, long filters, retention."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday import draws
from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.nets import Net

WORDS, LENGTH, WIDTH = 96, 24, 64


class ChoosingExperts(nn.Module):
    """Zhou et al. (2022): every expert takes the tokens that score highest for it, twice its even share."""

    def __init__(self, experts: int = 4) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, experts, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)) for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, 1)
        scores = self.router(tokens).softmax(-1)
        weights, chosen = scores.topk(2 * len(tokens) // len(self.experts), dim=0)
        made = torch.zeros_like(tokens)
        for place, expert in enumerate(self.experts):
            made = made.index_add(0, chosen[:, place], weights[:, place, None] * expert(tokens[chosen[:, place]]))
        return made.view_as(x)


class CausalAttention(nn.Module):
    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class LinearRecurrence(nn.Module):
    """Orvieto et al. (2023): complex states on a ring between two circles, normalized; as published."""

    def __init__(self, states: int = 48, least: float = 0.4, most: float = 0.99) -> None:
        super().__init__()
        radius = torch.rand(states) * (most**2 - least**2) + least**2
        self.nu_log = nn.Parameter((-0.5 * radius.log()).log())
        self.theta_log = nn.Parameter((torch.rand(states) * math.pi / 5).log())
        self.b_re, self.b_im = (nn.Parameter(torch.randn(states, WIDTH) / (2 * WIDTH) ** 0.5) for _ in range(2))
        self.c_re, self.c_im = (nn.Parameter(torch.randn(WIDTH, states) / states**0.5) for _ in range(2))
        self.d = nn.Parameter(torch.randn(WIDTH))
        self.gamma_log = nn.Parameter((1 - radius).sqrt().log())
        self.gate = nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        decay = torch.complex(-self.nu_log.exp(), self.theta_log.exp()).exp()
        written = torch.complex(x @ self.b_re.T, x @ self.b_im.T) * self.gamma_log.exp()
        state, states = torch.zeros_like(written[:, 0]), []
        for step in written.unbind(1):
            state = decay * state + step
            states.append(state)
        found = torch.stack(states, 1)
        read = found.real @ self.c_re.T - found.imag @ self.c_im.T + self.d * x
        return F.glu(self.gate(F.gelu(read)))


class LongFilter(nn.Module):
    """Hyena's operator (Poli et al. 2023): gates and filters as long as the text, which a small net of sines makes."""

    def __init__(self) -> None:
        super().__init__()
        self.proj_in, self.proj_out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.short = nn.Conv1d(3 * WIDTH, 3 * WIDTH, 3, padding=2, groups=3 * WIDTH)
        self.filter1, self.filter2 = nn.Linear(5, 32), nn.Linear(32, 32)
        self.filter3, self.bias = nn.Linear(32, WIDTH, bias=False), nn.Parameter(torch.randn(WIDTH))
        time = torch.arange(LENGTH) / LENGTH
        waves = [part for pace in (1, 2) for part in ((6.283 * pace * time).sin(), (6.283 * pace * time).cos())]
        self.register_buffer("time", torch.stack([time, *waves], 1))
        self.register_buffer("decay", (-time[:, None] * torch.linspace(1.0, 12.0, WIDTH)).exp())

    def forward(self, x: Tensor) -> Tensor:
        parts = self.short(self.proj_in(x).transpose(1, 2))[..., :LENGTH]
        gate, other, value = parts.chunk(3, 1)
        value = value * other
        kernel = self.filter3((self.filter2((self.filter1(self.time)).sin())).sin()) * self.decay
        spectrum = torch.fft.rfft(value, 2 * LENGTH) * torch.fft.rfft(kernel.T, 2 * LENGTH)
        mixed = torch.fft.irfft(spectrum, 2 * LENGTH)[..., :LENGTH] + self.bias[:, None] * value
        return self.proj_out((mixed * gate).transpose(1, 2))


class Retention(nn.Module):
    """Sun et al. (2023): attention without softmax that fades with the distance, a norm on every head, a gate.

    Xavier's uniform with a gain of 2^-2.5, and of 2^-1 on the way out, as published.
    """

    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.gate = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.norm, self.out = nn.GroupNorm(heads, WIDTH, affine=False), nn.Linear(WIDTH, WIDTH, bias=False)
        for layer in (self.q, self.k, self.v, self.gate):
            nn.init.xavier_uniform_(layer.weight, gain=2**-2.5)
        nn.init.xavier_uniform_(self.out.weight, gain=2**-1)
        apart = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
        rate = 1 - 2.0 ** (-5 - torch.arange(heads))
        self.register_buffer("fading", torch.where(apart >= 0, rate[:, None, None] ** apart.clamp(min=0), 0.0))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q, self.k, self.v))
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 * self.fading
        mixed = (scores / scores.detach().abs().sum(-1, keepdim=True).clamp(min=1)) @ v
        normed = self.norm(mixed.transpose(1, 2).flatten(2).flatten(0, 1)).view_as(x)
        return self.out(F.silu(self.gate(x)) * normed)


class Language(nn.Module):
    """Blocks of a mixer and an MLP, or experts, behind norms; the embedding N(0, 0.02)."""

    def __init__(self, mixer: type[nn.Module], mlp: type[nn.Module] | None = None, depth: int = 3) -> None:
        super().__init__()
        self.tokens = nn.Embedding(WORDS, WIDTH)
        self.mixers = nn.ModuleList(mixer() for _ in range(depth))
        self.mlps = nn.ModuleList(mlp() if mlp else self.dense() for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2 * depth + 1))
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)

    @staticmethod
    def dense() -> nn.Module:
        return nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, ids: Tensor) -> Tensor:
        x, norms = self.tokens(ids), iter(self.norms)
        for mixer, mlp in zip(self.mixers, self.mlps, strict=True):
            x = x + mixer(next(norms)(x))
            x = x + mlp(next(norms)(x))
        return self.head(next(norms)(x))


def written(generator: Generator) -> Drawn:
    ids, following = draws.sentences(16, LENGTH, WORDS)
    return ids, lambda logits: F.cross_entropy(logits.flatten(0, 1), following.flatten())


NETS: tuple[Net, ...] = (
    everyday("choosing_experts", "experts that choose", lambda: Language(CausalAttention, ChoosingExperts), written),
    everyday("linear_recurrence", "linear recurrent unit", lambda: Language(LinearRecurrence), written),
    everyday("long_filter", "implicit long filter", lambda: Language(LongFilter), written),
    everyday("retention", "retention", lambda: Language(Retention), written),
)
