"""Healthy recurrent networks: classifiers, language models, taggers and a translator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ...nets import Case, Net
from . import draws

VOCABULARY, LENGTH = 96, 24


class ElmanClassifier(nn.Module):
    """``nn.RNN`` on a series; with ``identity`` the ReLU network of Le et al., whose state matrix is the identity."""

    def __init__(self, identity: bool, channels: int = 4, hidden: int = 64, classes: int = 6) -> None:
        super().__init__()
        self.rnn = nn.RNN(channels, hidden, nonlinearity="relu" if identity else "tanh", batch_first=True)
        self.fc = nn.Linear(hidden, classes)
        if identity:
            nn.init.normal_(self.rnn.weight_ih_l0, std=0.01)
            nn.init.eye_(self.rnn.weight_hh_l0)
            nn.init.zeros_(self.rnn.bias_ih_l0)
            nn.init.zeros_(self.rnn.bias_hh_l0)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class GRUClassifier(nn.Module):
    """Orthogonal state weights and Xavier's input weights, as Keras has them; packed sequences."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 50, padding_idx=0)
        self.gru = nn.GRU(50, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.out = nn.Linear(hidden, 4)
        for name, parameter in self.gru.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.data.chunk(3):
                    nn.init.orthogonal_(gate)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        return self.out(self.gru(packed)[1][-1])


class AttentiveLSTM(nn.Module):
    """A bidirectional LSTM with its forget gates' biases at one, pooled by attention with a learned query."""

    def __init__(self, hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64, padding_idx=0)
        self.lstm = nn.LSTM(64, hidden, batch_first=True, bidirectional=True)
        self.query = nn.Linear(2 * hidden, 1, bias=False)
        self.classify = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * hidden, 4))
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                parameter.data[hidden : 2 * hidden].fill_(1)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        weights = self.query(torch.tanh(states)).masked_fill(tokens[..., None] == 0, -1e9).softmax(1)
        return self.classify((weights * states).sum(1))


class LanguageModel(nn.Module):
    """PyTorch's example: embeddings uniform within 0.1, which the decoder shares if tied."""

    def __init__(self, cell: type[nn.RNNBase], tied: bool, width: int = 96) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(VOCABULARY, width)
        self.rnn = cell(width, width, 2, dropout=0.2)
        self.decoder = nn.Linear(width, VOCABULARY)
        if tied:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)

    def forward(self, tokens: Tensor) -> Tensor:
        output, _ = self.rnn(self.drop(self.encoder(tokens.t())))
        return self.decoder(self.drop(output)).transpose(0, 1)


class Translator(nn.Module):
    """A GRU reads the source, another writes the target and looks back by additive attention (Bahdanau)."""

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
    """BiLSTM-CRF: scores of the tags at each place and of one following another, uniform within 0.1."""

    def __init__(self, tags: int = 5, hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 48, padding_idx=0)
        self.lstm = nn.LSTM(48, hidden, batch_first=True, bidirectional=True)
        self.emit = nn.Linear(2 * hidden, tags)
        self.start, self.follow, self.end = (
            nn.Parameter(torch.empty(shape).uniform_(-0.1, 0.1)) for shape in ((tags,), (tags, tags), (tags,))
        )

    def forward(self, tokens: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """The negative log likelihood of each sentence's tags."""
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


def elman(identity: bool) -> Case:
    return draws.classifying(ElmanClassifier(identity), *draws.waves(64))


def padded(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Texts cut to their lengths."""
    tokens, labels = draws.texts(count, LENGTH, VOCABULARY)
    lengths = draws.lengths(count, LENGTH)
    return tokens.masked_fill(torch.arange(LENGTH) >= lengths[:, None], 0), lengths, labels


def gru_classifier() -> Case:
    tokens, labels = draws.texts(64, LENGTH, 24)
    return draws.classifying(GRUClassifier(), (tokens, torch.full((64,), LENGTH)), labels)


def attentive_lstm() -> Case:
    return draws.classifying(AttentiveLSTM(), *draws.texts(64, LENGTH, 24))


def language_model(cell: type[nn.RNNBase], tied: bool) -> Case:
    tokens, following = draws.sentences(32, LENGTH, VOCABULARY)
    return draws.classifying(LanguageModel(cell, tied), tokens, following)


def translator() -> Case:
    """The target is the source with every token renamed, its own last token given at each place."""
    source, _ = draws.sentences(32, 12, VOCABULARY)
    renamed = torch.randperm(VOCABULARY, generator=draws.fixed(1))[source]
    return draws.classifying(Translator(), (source, F.pad(renamed[:, :-1], (1, 0))), renamed)


def tagger() -> Case:
    """The tag of a token depends upon it and the one before."""
    tokens, lengths, _ = padded(32)
    classes = torch.randint(5, (2, VOCABULARY), generator=draws.fixed(3))
    tags = (classes[0][tokens] + (classes[1][tokens.roll(1, 1)] > 2).long()).clamp(max=4)
    return Case(Tagger(), (tokens, lengths, tags), lambda surprise: surprise.mean())


NETS: tuple[Net, ...] = (
    Net("everyday/elman_classifier", "elman", lambda: elman(identity=False)),
    Net("everyday/identity_rnn", "elman", lambda: elman(identity=True)),
    Net("everyday/gru_classifier", "gru_classifier", gru_classifier),
    Net("everyday/attentive_lstm", "lstm_classifier", attentive_lstm),
    Net("everyday/tied_lstm_language_model", "recurrent_language_model", lambda: language_model(nn.LSTM, tied=True)),
    Net("everyday/gru_language_model", "recurrent_language_model", lambda: language_model(nn.GRU, tied=False)),
    Net("everyday/attentive_translator", "attentive_translator", translator),
    Net("everyday/crf_tagger", "crf_tagger", tagger),
)
