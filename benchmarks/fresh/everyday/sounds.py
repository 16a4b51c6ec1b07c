"""Audio networks: source separation, speaker classification, and a diffusion vocoder."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.healthy.transformers_signals import spectra, waves
from benchmarks.nets import Net


class Demucs(nn.Module):
    """Défossez et al. (2019): a U-Net of gated convolutions on the waveform, with an LSTM in the middle.

    As published, convolutions are divided by sqrt(std / 0.1), which moves their standard deviation closer to 0.1.
    """

    def __init__(self, width: int = 16, depth: int = 3, sources: int = 2) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        inputs = 1
        for level in range(depth):
            outputs = width * 2**level
            self.encoder.append(
                nn.Sequential(
                    nn.Conv1d(inputs, outputs, 8, 4), nn.ReLU(), nn.Conv1d(outputs, 2 * outputs, 1), nn.GLU(1)
                )
            )
            back: list[nn.Module] = [nn.Conv1d(outputs, 2 * outputs, 3, padding=1), nn.GLU(1)]
            back += [nn.ConvTranspose1d(outputs, inputs if level else sources, 8, 4)]
            self.decoder.insert(0, nn.Sequential(*back, *([nn.ReLU()] if level else [])))
            inputs = outputs
        self.lstm = nn.LSTM(inputs, inputs, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * inputs, inputs)
        for part in self.modules():
            if isinstance(part, (nn.Conv1d, nn.ConvTranspose1d)):
                scale = (part.weight.std().detach() / 0.1) ** 0.5
                part.weight.data /= scale
                part.bias.data /= scale

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for layer in self.encoder:
            x = layer(x)
            skips.append(x)
        x = self.linear(self.lstm(x.permute(2, 0, 1))[0]).permute(1, 2, 0)
        for layer in self.decoder:
            skip = skips.pop()
            x = layer(x + skip[..., : x.shape[-1]])
        return x


class SpeakerNet(nn.Module):
    """x-vectors (Snyder et al. 2018): dilated convolutions on frames, mean and std over time, and an MLP."""

    def __init__(self, bands: int = 24, width: int = 96, speakers: int = 12) -> None:
        super().__init__()
        frames: list[nn.Module] = []
        shapes = ((bands, width, 5, 1), (width, width, 3, 2), (width, width, 3, 3), (width, width, 1, 1))
        for inputs, outputs, kernel, dilation in (*shapes, (width, 3 * width, 1, 1)):
            frames += [nn.Conv1d(inputs, outputs, kernel, dilation=dilation), nn.ReLU(), nn.BatchNorm1d(outputs)]
        self.frames = nn.Sequential(*frames)
        self.segment = nn.Sequential(
            nn.Linear(6 * width, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Linear(width, width), nn.ReLU(),
            nn.BatchNorm1d(width), nn.Linear(width, speakers),
        )  # fmt: skip

    def forward(self, frames: Tensor) -> Tensor:
        hidden = self.frames(frames)
        return self.segment(torch.cat([hidden.mean(-1), hidden.std(-1)], 1))


class NoiseBlock(nn.Module):
    def __init__(self, width: int, bands: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.time, self.condition = nn.Linear(64, width), nn.Conv1d(bands, 2 * width, 1)
        self.out = nn.Conv1d(width, 2 * width, 1)
        for conv in (self.dilated, self.condition, self.out):
            nn.init.kaiming_normal_(conv.weight)

    def forward(self, x: Tensor, condition: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        y = self.dilated(x + self.time(time)[..., None]) + self.condition(condition)
        gate, filtered = y.chunk(2, 1)
        rest, skip = self.out(gate.sigmoid() * filtered.tanh()).chunk(2, 1)
        return (x + rest) / math.sqrt(2), skip


class DiffWave(nn.Module):
    """Kong et al. (2021): predicts the noise in a sound, given a spectrogram; He normal, last layer zero."""

    def __init__(self, width: int = 32, bands: int = 20, depth: int = 6) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, width, 1)
        self.time = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.blocks = nn.ModuleList(NoiseBlock(width, bands, 2 ** (place % 5)) for place in range(depth))
        self.skip, self.last = nn.Conv1d(width, width, 1), nn.Conv1d(width, 1, 1)
        for conv in (self.first, self.skip):
            nn.init.kaiming_normal_(conv.weight)
        nn.init.zeros_(self.last.weight)

    def forward(self, sound: Tensor, spectrogram: Tensor, time: Tensor) -> Tensor:
        pace = time[:, None] * 10 ** (torch.arange(16) * 4 / 15)
        step = self.time(torch.cat([pace.sin(), pace.cos()], 1))
        condition = F.interpolate(spectrogram, size=sound.shape[-1])
        x, total = F.relu(self.first(sound)), torch.zeros(())
        for block in self.blocks:
            x, skip = block(x, condition, step)
            total = total + skip
        return self.last(F.relu(self.skip(total / math.sqrt(len(self.blocks)))))


def separated(generator: Generator) -> Drawn:
    sources = waves(generator, 8, 980).view(4, 2, 980)
    return sources.sum(1, keepdim=True) / 1.4, lambda made: F.l1_loss(made, sources[..., : made.shape[-1]])


def speakers(generator: Generator) -> Drawn:
    frames = spectra(generator, 24, 60, 24).transpose(1, 2)
    labels = torch.randint(12, (24,), generator=generator)
    return frames, lambda logits: F.cross_entropy(logits, labels)


def vocoded(generator: Generator) -> Drawn:
    sound, noise = waves(generator, 6, 640)[:, None], torch.randn(6, 1, 640, generator=generator)
    kept = torch.rand(6, 1, 1, generator=generator)
    mixed = kept.sqrt() * sound + (1 - kept).sqrt() * noise
    spectrogram = spectra(generator, 6, 40, 20).transpose(1, 2)
    return (mixed, spectrogram, kept.flatten()), lambda found: F.mse_loss(found, noise)


NETS: tuple[Net, ...] = (
    everyday("demucs", "waveform U-Net", Demucs, separated),
    everyday("speaker_net", "time-delay net", SpeakerNet, speakers),
    everyday("diff_wave", "diffusion vocoder", DiffWave, vocoded),
)
