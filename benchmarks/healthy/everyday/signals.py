"""Healthy networks for series: convolutions through time and state spaces."""

from __future__ import annotations

from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ...nets import Case, Net
from . import draws

CHANNELS, CLASSES = 4, 6


class TemporalBlock(nn.Module):
    """Two dilated causal convolutions under weight norm beside a path that fits the channels (TCN)."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.padding = 2 * dilation
        self.conv1 = weight_norm(nn.Conv1d(inputs, outputs, 3, padding=self.padding, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(outputs, outputs, 3, padding=self.padding, dilation=dilation))
        self.dropout = nn.Dropout(0.1)
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(self.conv1(x)[..., : -self.padding].relu())
        out = self.dropout(self.conv2(out)[..., : -self.padding].relu())
        return F.relu(out + self.downsample(x))


class TemporalConvolutions(nn.Module):
    def __init__(self, width: int = 32, levels: int = 4) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(TemporalBlock(width if i else CHANNELS, width, dilation=2**i) for i in range(levels))
        )
        self.linear = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.network(x.transpose(1, 2))[:, :, -1])


class WaveNet(nn.Module):
    """Gated dilated convolutions with skips to the output, Xavier's weights; logits of the next quantized sample."""

    def __init__(self, levels: int = 64, width: int = 24, layers: int = 8) -> None:
        super().__init__()
        self.embed = nn.Embedding(levels, width)
        self.dilated, self.residual, self.skip = (nn.ModuleList() for _ in range(3))
        for i in range(layers):
            self.dilated.append(nn.Conv1d(width, 2 * width, 2, dilation=2 ** (i % 4)))
            self.residual.append(nn.Conv1d(width, width, 1))
            self.skip.append(nn.Conv1d(width, 64, 1))
        self.end = nn.Sequential(nn.ReLU(), nn.Conv1d(64, 64, 1), nn.ReLU(), nn.Conv1d(64, levels, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, samples: Tensor) -> Tensor:
        x, skipped = self.embed(samples).transpose(1, 2), 0
        for dilated, residual, skip in zip(self.dilated, self.residual, self.skip, strict=True):
            value, gate = dilated(F.pad(x, (dilated.dilation[0], 0))).chunk(2, 1)
            hidden = torch.tanh(value) * torch.sigmoid(gate)
            skipped = skipped + skip(hidden)
            x = (x + residual(hidden)) * 0.5**0.5
        return self.end(skipped).transpose(1, 2)


class DiagonalKernel(nn.Module):
    """S4D-Lin: decays of a half, frequencies at multiples of pi, steps log-uniform from 0.001 to 0.1."""

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
    """Mamba's mixer: decays 1 to N, D one, and steps of 0.001 to 0.1 by the bias below a softplus."""

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
    """Residual layers of either kind: S4D ones with LayerNorm behind, Mamba's with RMSNorm before."""

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


def wave_net() -> Case:
    """A wave in 64 steps of mu-law."""
    wave = (draws.curves(16, 65) / 3).clamp(-1, 1)
    levels = ((wave.sign() * torch.log1p(63 * wave.abs()) / log(64) + 1) / 2 * 63).round().long()
    return draws.classifying(WaveNet(), levels[:, :-1], levels[:, 1:])


def fully_convolutional() -> nn.Module:
    """Convolutions with BatchNorm and a mean over time (Wang et al. 2017), its weights as Keras's."""
    layers: list[nn.Module] = []
    for inputs, outputs, size in ((CHANNELS, 32, 7), (32, 64, 5), (64, 32, 3)):
        layers += [nn.Conv1d(inputs, outputs, size, padding="same"), nn.BatchNorm1d(outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    for module in model:
        if isinstance(module, nn.Conv1d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return model


def convolutional() -> Case:
    waves, kind = draws.waves(32)
    return draws.classifying(fully_convolutional(), waves.transpose(1, 2), kind)


def classifier(model: nn.Module, length: int = 48) -> Case:
    return draws.classifying(model, *draws.waves(32, length))


NETS: tuple[Net, ...] = (
    Net("everyday/temporal_convolutions", "temporal_convolutions", lambda: classifier(TemporalConvolutions())),
    Net("everyday/wavenet", "wavenet", wave_net),
    Net("everyday/fully_convolutional_series", "convolutional_series", convolutional),
    Net("everyday/s4d", "state_space", lambda: classifier(StateSpaceClassifier(selective=False))),
    Net("everyday/mamba", "selective_state_space", lambda: classifier(StateSpaceClassifier(selective=True), 32)),
)
