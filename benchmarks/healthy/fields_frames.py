"""Speech networks with an output for every frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .everyday_net import Drawn, everyday

LETTERS = 10


class SpeechNet(nn.Module):
    """DeepSpeech 2: two convolutions, recurrent layers, and a score for every letter in every frame."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, (11, 5), stride=(2, 1), padding=(5, 2)), nn.BatchNorm2d(16), nn.Hardtanh(0, 20, True),
            nn.Conv2d(16, 16, (11, 5), stride=(2, 2), padding=(5, 2)), nn.BatchNorm2d(16), nn.Hardtanh(0, 20, True),
        )  # fmt: skip
        self.rnn = nn.LSTM(16 * 8, width, num_layers=2, bidirectional=True)
        self.norm, self.fc = nn.LayerNorm(2 * width), nn.Linear(2 * width, LETTERS + 1, bias=False)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(features.unsqueeze(1)).flatten(1, 2).permute(2, 0, 1)
        lengths = (lengths + 1) // 2
        x, _ = pad_packed_sequence(self.rnn(pack_padded_sequence(x, lengths, enforce_sorted=False))[0])
        return F.log_softmax(self.fc(self.norm(x)), -1), lengths


def spoken(generator: Generator) -> Drawn:
    """Letters of eight frames each, encoded as a peak at one of ten pitches."""
    count, most = 16, 6
    long = torch.randint(3, most + 1, (count,), generator=generator)
    letters = torch.randint(1, LETTERS + 1, (count, most), generator=generator)
    peak = torch.exp(-((torch.arange(32)[None, :, None] - 3 * letters[:, None]) ** 2) / 3.0).repeat_interleave(8, 2)
    shape = torch.hann_window(8).repeat(most)
    spoken_till = (torch.arange(8 * most) < 8 * long[:, None]).float()[:, None]
    features = peak * shape * spoken_till + 0.1 * torch.randn(count, 32, 8 * most, generator=generator)
    features = (features - features.mean()) / features.std()

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        return F.ctc_loss(output[0], letters, output[1], long, zero_infinity=True)

    return {"features": features, "lengths": 8 * long}, loss


NETS = (everyday("ctc-speech", "CTC speech net", SpeechNet, spoken),)
