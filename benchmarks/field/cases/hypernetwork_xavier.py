"""AUTOMATIC1111/stable-diffusion-webui#4350: hypernetworks with Xavier's weights destroy the context they adapt."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WIDTH, TOKENS, QUERIES, DEPTH = 32, 6, 8, 3


class Hypernetwork(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.linear = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH))
        for layer in self.linear:
            if broken:
                nn.init.xavier_normal_(layer.weight)
            else:
                nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, context: Tensor) -> Tensor:
        return context + self.linear(context)


class CrossAttention(nn.Module):
    """One layer of the pretrained model. `to_k` and `to_v` see the context through a function each."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.to_q, self.to_k, self.to_v, self.to_out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        for linear in (self.to_q, self.to_k, self.to_v, self.to_out):
            nn.init.normal_(linear.weight, std=WIDTH**-0.5)
        self.hyper_k: nn.Module = nn.Identity()
        self.hyper_v: nn.Module = nn.Identity()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.to_q(self.norm(x)), self.to_k(self.hyper_k(context)), self.to_v(self.hyper_v(context))
        return x + self.to_out(F.scaled_dot_product_attention(q, k, v))


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossAttention() for _ in range(DEPTH))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, context)
        return x


def pretrained() -> Denoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Denoiser().requires_grad_(False)


def styled() -> Denoiser:
    """The pretrained model with keys and values changed in two directions: the style to learn."""
    model, g = copy.deepcopy(PRETRAINED), generator(-1)
    for layer in model.layers:
        for linear in (layer.to_k, layer.to_v):
            left, right = torch.randn(WIDTH, 2, generator=g), torch.randn(2, WIDTH, generator=g)
            linear.weight.add_(left @ right, alpha=0.5 / WIDTH)
    return model


PRETRAINED = pretrained()
STYLED = styled()


def build(broken: bool) -> nn.Module:
    model = copy.deepcopy(PRETRAINED)
    for layer in model.layers:
        layer.hyper_k, layer.hyper_v = Hypernetwork(broken), Hypernetwork(broken)
    return model


def batch(i: int) -> Batch:
    g = generator(i)
    x, context = torch.randn(32, QUERIES, WIDTH, generator=g), torch.randn(32, TOKENS, WIDTH, generator=g)
    with torch.no_grad():
        target = STYLED(x, context)
    return (x, context), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="hypernetwork_xavier",
    source="AUTOMATIC1111/stable-diffusion-webui#4350",
    fault="The residual adapters of keys and values start as large as the context, and replace half of it with noise.",
    build=build,
    batch=batch,
    rules=("IH106", "IH108", "IH208"),
    layers=tuple(f"layers.{k}.{name}" for k in range(DEPTH) for name in ("hyper_k", "hyper_v")),
    optimizer="adam",
    rates=(1e-2, 3e-3, 1e-3),
    steps=250,
    fresh=True,
)
