"""Healthy state space models for series: diagonal ones by convolution, selective ones step by step."""

from __future__ import annotations

from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

CHANNELS, CLASSES = 4, 6


class DiagonalKernel(nn.Module):
    """S4D-Lin: decays of 0.5, frequencies at multiples of pi, steps log-uniform from 0.001 to 0.1."""

    def __init__(self, width: int, states: int = 32) -> None:
        super().__init__()
        self.log_dt = nn.Parameter(torch.rand(width) * (log(0.1) - log(0.001)) + log(0.001))
        self.c = nn.Parameter(torch.view_as_real(torch.randn(width, states // 2, dtype=torch.cfloat)))
        self.log_a_real = nn.Parameter(torch.log(0.5 * torch.ones(width, states // 2)))
        self.a_imaginary = nn.Parameter(pi * torch.arange(states // 2).float().repeat(width, 1))

    def forward(self, length: int) -> Tensor:
        dt, a = self.log_dt.exp(), -self.log_a_real.exp() + 1j * self.a_imaginary
        dta = a * dt[:, None]
        c = torch.view_as_complex(self.c) * (dta.exp() - 1) / a
        return 2 * torch.einsum("hn,hnl->hl", c, torch.exp(dta[..., None] * torch.arange(length))).real


class DiagonalStateSpace(nn.Module):
    """A long convolution by Fourier transforms, then a gated layer that mixes the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kernel, self.d = DiagonalKernel(width), nn.Parameter(torch.randn(width))
        self.output = nn.Sequential(nn.Conv1d(width, 2 * width, 1), nn.GLU(dim=-2))

    def forward(self, u: Tensor) -> Tensor:
        length = u.shape[-1]
        kernel = torch.fft.rfft(self.kernel(length), n=2 * length)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * length) * kernel, n=2 * length)[..., :length]
        return self.output(F.gelu(y + u * self.d[:, None]))


class SelectiveStateSpace(nn.Module):
    """Mamba's mixer: decays 1 to N, D one, and steps of 0.001 to 0.1 from the bias before a softplus."""

    def __init__(self, width: int, states: int = 8, rank: int = 4) -> None:
        super().__init__()
        inner = 2 * width
        self.rank, self.states = rank, states
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, 4, groups=inner, padding=3)
        self.x_proj = nn.Linear(inner, rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        dt = torch.exp(torch.rand(inner) * (log(0.1) - log(0.001)) + log(0.001)).clamp(min=1e-4)
        self.dt_proj.bias.data.copy_(dt + torch.log(-torch.expm1(-dt)))
        self.a_log = nn.Parameter(torch.arange(1, states + 1).float().log().repeat(inner, 1))
        self.d = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, u: Tensor) -> Tensor:
        x, z = self.in_proj(u).chunk(2, -1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[..., : u.shape[1]]).transpose(1, 2)
        dt, b, c = self.x_proj(x).split([self.rank, self.states, self.states], -1)
        dt = F.softplus(self.dt_proj(dt))
        decay = torch.exp(-dt[..., None] * self.a_log.exp())
        put = (dt * x)[..., None] * b[:, :, None]
        state, outputs = torch.zeros_like(put[:, 0]), []
        for t in range(u.shape[1]):
            state = decay[:, t] * state + put[:, t]
            outputs.append((state * c[:, t, None]).sum(-1))
        return self.out_proj((torch.stack(outputs, 1) + x * self.d) * F.silu(z))


class StateSpaceClassifier(nn.Module):
    """Residual layers of either kind: S4D with LayerNorm after it, Mamba with RMSNorm before it."""

    def __init__(self, selective: bool, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        self.selective = selective
        self.encoder, self.decoder = nn.Linear(CHANNELS, width), nn.Linear(width, CLASSES)
        kind, norm = (SelectiveStateSpace, nn.RMSNorm) if selective else (DiagonalStateSpace, nn.LayerNorm)
        self.layers = nn.ModuleList(kind(width) for _ in range(layers))
        self.norms = nn.ModuleList(norm(width) for _ in range(layers))
        if selective:
            for layer in self.layers:
                layer.out_proj.weight.data.div_(layers**0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + layer(norm(x)) if self.selective else norm(x + layer(x.transpose(1, 2)).transpose(1, 2))
        return self.decoder(x.mean(1))


def classifier(model: nn.Module, length: int) -> Case:
    return draws.classifying(model, *draws.waves(32, length))


NETS: tuple[Net, ...] = (
    Net("everyday/s4d", "state space", lambda: classifier(StateSpaceClassifier(selective=False), 48)),
    Net("everyday/mamba", "mamba", lambda: classifier(StateSpaceClassifier(selective=True), 32)),
)
