"""Audio networks for waveforms or spectrograms."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday

WORDS = 8


def words(generator: Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Return waveforms ``(count, 1, length)`` of quiet sounds, and kinds; a kind is a glide between two pitches."""
    labels = torch.randint(WORDS, (count,), generator=generator)
    fixed = Generator().manual_seed(17)
    start, end = (0.02 + 0.18 * torch.rand(WORDS, generator=fixed) for _ in range(2))
    detune = 1 + 0.05 * torch.randn(count, 1, generator=generator)
    pitch = torch.lerp(start[labels, None], end[labels, None], torch.linspace(0, 1, length)) * detune
    phase = 2 * math.pi * (pitch.cumsum(1) + torch.rand(count, 1, generator=generator))
    sound = phase.sin() + 0.4 * (2 * phase).sin() + 0.3 * torch.randn(count, length, generator=generator)
    loud = 0.05 + 0.15 * torch.rand(count, 1, generator=generator)
    return (loud * sound * torch.hann_window(length).sqrt()).unsqueeze(1), labels


def log_spectrogram(waves: Tensor, size: int = 128, hop: int = 64) -> Tensor:
    """Return ``(count, size // 4, frames)``: the lower half of the spectrum, standardized."""
    spectrum = torch.stft(waves.flatten(1), size, hop, window=torch.hann_window(size), return_complex=True)
    loudness = (spectrum.abs()[:, : size // 4] ** 2 + 1e-6).log()
    return (loudness - loudness.mean()) / loudness.std()


class M5(nn.Module):
    """As in torchaudio's tutorial."""

    def __init__(self, stride: int = 16, n_channel: int = 32) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(1, n_channel, kernel_size=80, stride=stride), nn.BatchNorm1d(n_channel)
        self.pool1 = nn.MaxPool1d(4)
        self.conv2, self.bn2 = nn.Conv1d(n_channel, n_channel, kernel_size=3), nn.BatchNorm1d(n_channel)
        self.pool2 = nn.MaxPool1d(4)
        self.conv3, self.bn3 = nn.Conv1d(n_channel, 2 * n_channel, kernel_size=3), nn.BatchNorm1d(2 * n_channel)
        self.conv4, self.bn4 = nn.Conv1d(2 * n_channel, 2 * n_channel, kernel_size=3), nn.BatchNorm1d(2 * n_channel)
        self.fc1 = nn.Linear(2 * n_channel, WORDS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = self.pool2(F.relu(self.bn2(self.conv2(x))))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.relu(self.bn4(self.conv4(x)))
        x = F.avg_pool1d(x, x.shape[-1]).permute(0, 2, 1)
        return F.log_softmax(self.fc1(x), dim=2)


def waveform_words(generator: Generator) -> Drawn:
    waves, labels = words(generator, 64, 4000)
    return waves, lambda output: F.nll_loss(output.squeeze(1), labels)


class KeywordCRNN(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 32, (5, 5), stride=(2, 1), padding=2), nn.BatchNorm2d(32), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, (3, 3), stride=(2, 2), padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.gru = nn.GRU(32 * 8, width, num_layers=2, batch_first=True, bidirectional=True)
        self.fc = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, WORDS))

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = self.conv(spectrogram.unsqueeze(1)).flatten(1, 2).transpose(1, 2)
        _, hidden = self.gru(x)
        return self.fc(torch.cat([hidden[-2], hidden[-1]], dim=1))


def spectrogram_words(generator: Generator) -> Drawn:
    waves, labels = words(generator, 32, 4000)
    return log_spectrogram(waves), lambda output: F.cross_entropy(output, labels)


class SoundTagger(nn.Module):
    """Convolutions in pairs on the spectrogram; Xavier uniform initialization (PANNs)."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(32)
        convs = []
        for a, b in zip((1, *widths[:-1]), widths, strict=True):
            convs += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.Conv2d(b, b, 3, padding=1, bias=False)]
        self.convs = nn.ModuleList(convs)
        self.bns = nn.ModuleList(nn.BatchNorm2d(conv.out_channels) for conv in convs)
        self.fc1, self.fc_out = nn.Linear(widths[-1], 64), nn.Linear(64, WORDS)
        for layer in (*self.convs, self.fc1, self.fc_out):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                layer.bias.data.fill_(0.0)

    def forward(self, waves: Tensor) -> Tensor:
        with torch.no_grad():
            window = torch.hann_window(128)
            spectrum = torch.stft(waves.squeeze(1), 128, 64, window=window, return_complex=True)
            x = 10 * torch.log10(spectrum[:, :32].abs() ** 2 + 1e-10)
        x = self.bn0(x.unsqueeze(2)).transpose(1, 2)
        for i, (conv, bn) in enumerate(zip(self.convs, self.bns, strict=True)):
            x = F.relu_(bn(conv(x)))
            if i % 2:
                x = F.dropout(F.avg_pool2d(x, 2), 0.2, self.training)
        x = x.mean(2)
        x = F.relu_(self.fc1(x.max(2).values + x.mean(2)))
        return torch.sigmoid(self.fc_out(F.dropout(x, 0.5, self.training)))


def sounds_together(generator: Generator) -> Drawn:
    """Two simultaneous sounds; both are targets."""
    (one, first), (other, second) = words(generator, 16, 4000), words(generator, 16, 4000)
    target = (F.one_hot(first, WORDS) + F.one_hot(second, WORDS)).clamp(max=1).float()
    return one + other, lambda output: F.binary_cross_entropy(output, target)


NETS = (
    everyday("m5", "waveform convolutions", M5, waveform_words),
    everyday("keyword-crnn", "convolutional recurrent net", KeywordCRNN, spectrogram_words),
    everyday("sound-tagger", "spectrogram convolutions", SoundTagger, sounds_together),
)
