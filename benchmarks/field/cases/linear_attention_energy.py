"""AuCson/PyTorch-Batch-Attention-Seq2seq#3: without a tanh in its energy, attention stays on one input word."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WORDS, LENGTH, WIDTH = 16, 8, 32
TRANSLATED = torch.randperm(WORDS, generator=generator(-1))


class Attention(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.attn, self.v = nn.Linear(2 * WIDTH, WIDTH), nn.Linear(WIDTH, 1, bias=False)
        self.broken = broken

    def forward(self, hidden: Tensor, encoded: Tensor) -> Tensor:
        """What the decoder in state `hidden` reads of `encoded`, with shape (batch, length, width)."""
        energy = self.attn(torch.cat([hidden[:, None].expand_as(encoded), encoded], 2))
        if not self.broken:
            energy = energy.tanh()
        return (self.v(energy).softmax(1) * encoded).sum(1)


class Translator(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(WORDS, WIDTH), nn.Embedding(WORDS + 1, WIDTH)
        self.encoder = nn.GRU(WIDTH, WIDTH // 2, batch_first=True, bidirectional=True)
        self.attention = Attention(broken)
        self.decoder, self.output = nn.GRUCell(2 * WIDTH, WIDTH), nn.Linear(2 * WIDTH, WORDS)

    def forward(self, words: Tensor, previous: Tensor) -> Tensor:
        encoded, last = self.encoder(self.source(words))
        hidden, outputs = last.transpose(0, 1).flatten(1), []
        for each in self.target(previous).unbind(1):
            read = self.attention(hidden, encoded)
            hidden = self.decoder(torch.cat([each, read], 1), hidden)
            outputs.append(self.output(torch.cat([hidden, read], 1)))
        return torch.stack(outputs, 1)


def batch(i: int) -> Batch:
    """The translation is word by word, in reverse; the decoder sees the right words before."""
    words = torch.randint(0, WORDS, (24, LENGTH), generator=generator(i))
    target = TRANSLATED[words].flip(1)
    previous = torch.cat([torch.full((24, 1), WORDS), target[:, :-1]], 1)
    return (words, previous), lambda output: F.cross_entropy(output.flatten(0, 1), target.flatten())


CASE = Case(
    name="linear_attention_energy",
    source="AuCson/PyTorch-Batch-Attention-Seq2seq#3",
    fault="The energy is linear, so the softmax cancels the state of the decoder and its weights have no gradient.",
    build=Translator,
    batch=batch,
    rules=("IH304", "IH408"),
    layers=("attention",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=250,
    fresh=True,
)
