"""Healthy networks for text without recurrence: bags and convolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

VOCABULARY, LENGTH, CLASSES = 96, 24, 4


class FastText(nn.Module):
    """The mean of the word vectors and a linear layer, on concatenated texts with offsets."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(VOCABULARY, width, sparse=False)
        self.fc = nn.Linear(width, CLASSES)
        self.embedding.weight.data.uniform_(-0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, text: Tensor, offsets: Tensor) -> Tensor:
        return self.fc(self.embedding(text, offsets))


class SkipGram(nn.Module):
    """word2vec: input vectors uniform in 0.5 / width, output vectors zero."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.u, self.v = nn.Embedding(VOCABULARY, width), nn.Embedding(VOCABULARY, width)
        nn.init.uniform_(self.u.weight, -0.5 / width, 0.5 / width)
        nn.init.constant_(self.v.weight, 0)

    def forward(self, centre: Tensor, candidates: Tensor) -> Tensor:
        return torch.bmm(self.v(candidates), self.u(centre)[..., None]).squeeze(2)


class TextCNN(nn.Module):
    """Kim's network: windows of three, four and five words, max pooling per filter."""

    def __init__(self, width: int = 64, filters: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width, padding_idx=0)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        self.convs = nn.ModuleList(nn.Conv2d(1, filters, (window, width)) for window in (3, 4, 5))
        self.dropout, self.fc = nn.Dropout(0.5), nn.Linear(3 * filters, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).unsqueeze(1)
        found = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        return self.fc(self.dropout(torch.cat([F.max_pool1d(f, f.size(2)).squeeze(2) for f in found], 1)))


class CharacterCNN(nn.Module):
    """One-hot characters and stacked convolutions (Zhang et al. 2015), with PyTorch's defaults."""

    def __init__(self, alphabet: int = 40, filters: int = 64) -> None:
        super().__init__()
        self.alphabet = alphabet
        self.conv1 = nn.Sequential(nn.Conv1d(alphabet, filters, 7, padding=3), nn.ReLU(), nn.MaxPool1d(2))
        self.conv2 = nn.Sequential(nn.Conv1d(filters, filters, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2))
        self.conv3 = nn.Sequential(nn.Conv1d(filters, filters, 3, padding=1), nn.ReLU())
        self.conv4 = nn.Sequential(nn.Conv1d(filters, filters, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2))
        self.fc = nn.Sequential(nn.Linear(filters * 6, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, CLASSES))

    def forward(self, characters: Tensor) -> Tensor:
        x = F.one_hot(characters, self.alphabet).float().transpose(1, 2)
        return self.fc(self.conv4(self.conv3(self.conv2(self.conv1(x)))).flatten(1))


def fast_text() -> Case:
    tokens, labels = draws.texts(64, LENGTH, 24)
    return draws.classifying(FastText(), (tokens.flatten(), torch.arange(0, tokens.numel(), LENGTH)), labels)


def skip_gram() -> Case:
    """The next word against five random ones."""
    tokens, following = draws.sentences(64, 1, VOCABULARY)
    noise = torch.randint(VOCABULARY, (64, 5), generator=draws.fresh())
    target = F.one_hot(torch.zeros(64, dtype=torch.long), 6).float()
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    batch = {"centre": tokens[:, 0], "candidates": torch.cat([following, noise], 1)}
    return Case(SkipGram(), batch, lambda logits: loss(logits, target) / 64)


def character_cnn() -> Case:
    characters, labels = draws.texts(64, 48, 40)
    return draws.classifying(CharacterCNN(), characters, labels)


NETS: tuple[Net, ...] = (
    Net("everyday/fast_text", "fastText", fast_text),
    Net("everyday/skip_gram", "skip gram", skip_gram),
    Net("everyday/text_cnn", "text convolutions", lambda: draws.classifying(TextCNN(), *draws.texts(64, LENGTH, 24))),
    Net("everyday/character_cnn", "character convolutions", character_cnn),
)
