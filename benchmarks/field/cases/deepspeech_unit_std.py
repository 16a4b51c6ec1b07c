"""mozilla/DeepSpeech#138: weights and biases are drawn from N(0, 1), and the CTC loss never improves."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

LETTERS, COEFFICIENTS, CONTEXT, WIDTH, LENGTH = 8, 12, 2, 128, 5
FRAMES = 4 * LENGTH
SOUNDS = torch.randn(LETTERS, COEFFICIENTS, generator=generator(-1))


class DeepSpeech(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.h1 = nn.Linear((2 * CONTEXT + 1) * COEFFICIENTS, WIDTH)
        self.h2, self.h3 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.birnn = nn.LSTM(2 * WIDTH, WIDTH // 2, batch_first=True, bidirectional=True)
        self.h5, self.h6 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, LETTERS + 1)
        for layer in (self.h1, self.h2, self.h3, self.h5, self.h6):
            for parameter in layer.parameters():
                nn.init.normal_(parameter, std=1.0 if broken else 0.1)

    def forward(self, sound: Tensor) -> Tensor:
        frames = F.pad(sound, (0, 0, CONTEXT, CONTEXT)).unfold(1, 2 * CONTEXT + 1, 1).flatten(2)
        for layer in (self.h1, self.h2, self.h3):
            frames = layer(frames).clamp(0, 20)
        frames = self.birnn(frames)[0]
        return self.h6(self.h5(frames).clamp(0, 20)).log_softmax(-1)


def batch(i: int) -> Batch:
    """Five letters, each heard for three frames after a silent one."""
    g = generator(i)
    letters = torch.randint(0, LETTERS, (32, LENGTH), generator=g)
    heard = SOUNDS[letters][:, :, None].repeat(1, 1, 4, 1)
    heard[:, :, 0] = 0
    sound = heard.flatten(1, 2) + 0.3 * torch.randn(32, FRAMES, COEFFICIENTS, generator=g)
    lengths = torch.full((32,), FRAMES), torch.full((32,), LENGTH)
    return (sound,), lambda output: F.ctc_loss(output.transpose(0, 1), letters + 1, *lengths)


CASE = Case(
    name="deepspeech_unit_std",
    source="mozilla/DeepSpeech#138",
    fault="All dense layers have weights and biases of std 1, where 0.1 trains.",
    build=DeepSpeech,
    batch=batch,
    rules=("IH106", "IH202", "IH205"),
    layers=("h1", "h2", "h3", "h5", "h6"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
)
