"""Healthy recurrent networks that map a sequence to a sequence: a translator and a tagger."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ...nets import Case, Net
from . import draws

VOCABULARY, LENGTH = 96, 24


class Translator(nn.Module):
    """A GRU encoder, and a GRU decoder with additive attention (Bahdanau)."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, hidden), nn.Embedding(VOCABULARY, hidden)
        self.encoder = nn.GRU(hidden, hidden // 2, batch_first=True, bidirectional=True)
        self.cell = nn.GRUCell(2 * hidden, hidden)
        self.w_query, self.w_key, self.v = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
        self.out = nn.Linear(2 * hidden, VOCABULARY)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, last = self.encoder(self.source(source))
        state, keys, logits = last.transpose(0, 1).flatten(1), self.w_key(memory), []
        for token in self.target(target).unbind(1):
            score = self.v(torch.tanh(self.w_query(state)[:, None] + keys))
            context = (score.softmax(1) * memory).sum(1)
            state = self.cell(torch.cat([token, context], 1), state)
            logits.append(self.out(torch.cat([state, context], 1)))
        return torch.stack(logits, 1)


class Tagger(nn.Module):
    """BiLSTM-CRF: scores of the tags at each position and of transitions, uniform in 0.1."""

    def __init__(self, tags: int = 5, hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 48, padding_idx=0)
        self.lstm = nn.LSTM(48, hidden, batch_first=True, bidirectional=True)
        self.emit = nn.Linear(2 * hidden, tags)
        self.start, self.follow, self.end = (
            nn.Parameter(torch.empty(shape).uniform_(-0.1, 0.1)) for shape in ((tags,), (tags, tags), (tags,))
        )

    def forward(self, tokens: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """Return the negative log likelihood of each sentence's tags."""
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=tokens.shape[1])
        emitted = self.emit(states)
        alpha = self.start + emitted[:, 0]
        gold = self.start[tags[:, 0]] + emitted[:, 0].gather(1, tags[:, :1])[:, 0]
        for t in range(1, tokens.shape[1]):
            on = t < lengths
            stepped = (alpha[:, :, None] + self.follow + emitted[:, t, None]).logsumexp(1)
            alpha = torch.where(on[:, None], stepped, alpha)
            step = self.follow[tags[:, t - 1], tags[:, t]] + emitted[:, t].gather(1, tags[:, t, None])[:, 0]
            gold = gold + step * on
        last = tags.gather(1, lengths[:, None] - 1)[:, 0]
        return (alpha + self.end).logsumexp(1) - gold - self.end[last]


def padded(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return texts of different lengths, padded with 0."""
    tokens, labels = draws.texts(count, LENGTH, VOCABULARY)
    lengths = draws.lengths(count, LENGTH)
    return tokens.masked_fill(torch.arange(LENGTH) >= lengths[:, None], 0), lengths, labels


def translator() -> Case:
    """The target is the source with renamed tokens; the decoder receives the previous target token."""
    source, _ = draws.sentences(32, 12, VOCABULARY)
    renamed = torch.randperm(VOCABULARY, generator=draws.fixed(1))[source]
    return draws.classifying(Translator(), (source, F.pad(renamed[:, :-1], (1, 0))), renamed)


def tagger() -> Case:
    """The tag of a token depends on it and on the token before it."""
    tokens, lengths, _ = padded(32)
    classes = torch.randint(5, (2, VOCABULARY), generator=draws.fixed(3))
    tags = (classes[0][tokens] + (classes[1][tokens.roll(1, 1)] > 2).long()).clamp(max=4)
    return Case(Tagger(), (tokens, lengths, tags), lambda surprise: surprise.mean())


NETS: tuple[Net, ...] = (
    Net("everyday/attentive_translator", "attentive translator", translator),
    Net("everyday/crf_tagger", "CRF tagger", tagger),
)
