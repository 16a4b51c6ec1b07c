"""Healthy recurrent networks: classifiers and language models."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from ...nets import Case, Net
from . import draws

VOCABULARY, LENGTH = 96, 24


class ElmanClassifier(nn.Module):
    """``nn.RNN`` on a series; with ``identity`` the ReLU network of Le et al., with an identity state matrix."""

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
    """Orthogonal state weights and Xavier input weights, as in Keras; packed sequences."""

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
    """A bidirectional LSTM with forget gate biases of one, pooled by attention with a learned query."""

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
    """PyTorch's example: embeddings uniform in 0.1, optionally tied to the decoder."""

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


def elman(identity: bool) -> Case:
    return draws.classifying(ElmanClassifier(identity), *draws.waves(64))


def gru_classifier() -> Case:
    tokens, labels = draws.texts(64, LENGTH, 24)
    return draws.classifying(GRUClassifier(), (tokens, torch.full((64,), LENGTH)), labels)


def attentive_lstm() -> Case:
    return draws.classifying(AttentiveLSTM(), *draws.texts(64, LENGTH, 24))


def language_model(cell: type[nn.RNNBase], tied: bool) -> Case:
    tokens, following = draws.sentences(32, LENGTH, VOCABULARY)
    return draws.classifying(LanguageModel(cell, tied), tokens, following)


NETS: tuple[Net, ...] = (
    Net("everyday/elman_classifier", "Elman network", lambda: elman(identity=False)),
    Net("everyday/identity_rnn", "Elman network", lambda: elman(identity=True)),
    Net("everyday/gru_classifier", "GRU classifier", gru_classifier),
    Net("everyday/attentive_lstm", "LSTM classifier", attentive_lstm),
    Net("everyday/tied_lstm_language_model", "recurrent language model", lambda: language_model(nn.LSTM, tied=True)),
    Net("everyday/gru_language_model", "recurrent language model", lambda: language_model(nn.GRU, tied=False)),
)
