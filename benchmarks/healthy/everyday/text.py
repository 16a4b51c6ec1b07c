"""Healthy networks that read text without recurrence: bags, convolutions, sequential recommenders, shared layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

VOCABULARY, LENGTH, CLASSES = 96, 24, 4


class FastText(nn.Module):
    """The mean of the words' vectors, read linearly, on texts laid end to end with their offsets."""

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
    """word2vec: input vectors uniform within a half over the width, output vectors zero."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.u, self.v = nn.Embedding(VOCABULARY, width), nn.Embedding(VOCABULARY, width)
        nn.init.uniform_(self.u.weight, -0.5 / width, 0.5 / width)
        nn.init.constant_(self.v.weight, 0)

    def forward(self, centre: Tensor, candidates: Tensor) -> Tensor:
        return torch.bmm(self.v(candidates), self.u(centre)[..., None]).squeeze(2)


class TextCNN(nn.Module):
    """Kim's: windows of three, four and five words, the strongest of each filter."""

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
    """Characters as indicators below stacked convolutions (Zhang et al. 2015), at PyTorch's defaults."""

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


class SequentialRecommender(nn.Module):
    """SASRec: what was bought so far scores what is bought next above what is not; Xavier for every matrix."""

    def __init__(self, width: int = 48, blocks: int = 2) -> None:
        super().__init__()
        self.items, self.places = nn.Embedding(VOCABULARY + 1, width, padding_idx=0), nn.Embedding(LENGTH, width)
        self.attention_norms, self.forward_norms = (
            nn.ModuleList(nn.LayerNorm(width, eps=1e-8) for _ in range(blocks)) for _ in range(2)
        )
        self.attentions = nn.ModuleList(nn.MultiheadAttention(width, 1, 0.2, batch_first=True) for _ in range(blocks))
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 1), nn.Dropout(0.2), nn.ReLU(), nn.Conv1d(width, width, 1))
            for _ in range(blocks)
        )
        self.last_norm = nn.LayerNorm(width, eps=1e-8)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_normal_(parameter)
        self.items.weight.data[0].zero_()

    def forward(self, history: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        x = self.items(history) * self.items.embedding_dim**0.5 + self.places(torch.arange(history.shape[1]))
        mask = ~torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
        for i, attention in enumerate(self.attentions):
            query = self.attention_norms[i](x)
            x = query + attention(query, x, x, attn_mask=mask)[0]
            x = self.forward_norms[i](x)
            x = x + self.convs[i](x.transpose(1, 2)).transpose(1, 2)
        x = self.last_norm(x)
        return (x * self.items(positive)).sum(-1), (x * self.items(negative)).sum(-1)


class SharedLayers(nn.Module):
    """ALBERT's: thin embeddings, one post-norm layer applied six times, a decoder tied to the embeddings."""

    def __init__(self, thin: int = 32, width: int = 64, times: int = 6) -> None:
        super().__init__()
        self.times = times
        self.words, self.places = nn.Embedding(VOCABULARY, thin), nn.Embedding(LENGTH, thin)
        self.norm, self.widen = nn.LayerNorm(thin, eps=1e-12), nn.Linear(thin, width)
        self.layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, F.gelu, 1e-12, batch_first=True)
        self.head = nn.Sequential(nn.Linear(width, thin), nn.GELU(), nn.LayerNorm(thin, eps=1e-12))
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
            elif "bias" in name:
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.widen(self.norm(self.words(tokens) + self.places.weight))
        for _ in range(self.times):
            x = self.layer(x)
        return F.linear(self.head(x), self.words.weight, self.bias)


class GatedBlock(nn.Module):
    """gMLP's: places mix by a product with weights near zero and a bias of one, so that it starts as a plain MLP."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.inner, self.outer = nn.LayerNorm(width), nn.Linear(width, hidden), nn.Linear(hidden // 2, width)
        self.gate_norm, self.mix = nn.LayerNorm(hidden // 2), nn.Conv1d(LENGTH, LENGTH, 1)
        nn.init.uniform_(self.mix.weight, -1e-3 / LENGTH, 1e-3 / LENGTH)
        nn.init.ones_(self.mix.bias)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = F.gelu(self.inner(self.norm(x))).chunk(2, -1)
        return x + self.outer(value * self.mix(self.gate_norm(gate)))


class GatedMLP(nn.Module):
    def __init__(self, width: int = 48, blocks: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.blocks = nn.Sequential(*(GatedBlock(width, 4 * width) for _ in range(blocks)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, CLASSES))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(tokens)).mean(1))


def fast_text() -> Case:
    tokens, labels = draws.texts(64, LENGTH, 24)
    return draws.classifying(FastText(), (tokens.flatten(), torch.arange(0, tokens.numel(), LENGTH)), labels)


def skip_gram() -> Case:
    """The word that follows against five drawn at random."""
    tokens, following = draws.sentences(64, 1, VOCABULARY)
    noise = torch.randint(VOCABULARY, (64, 5), generator=draws.fresh())
    wanted = F.one_hot(torch.zeros(64, dtype=torch.long), 6).float()
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    batch = {"centre": tokens[:, 0], "candidates": torch.cat([following, noise], 1)}
    return Case(SkipGram(), batch, lambda logits: loss(logits, wanted) / 64)


def character_cnn() -> Case:
    characters, labels = draws.texts(64, 48, 40)
    return draws.classifying(CharacterCNN(), characters, labels)


def sequential_recommender() -> Case:
    history, following = draws.sentences(32, LENGTH, VOCABULARY)
    negative = torch.randint(1, VOCABULARY + 1, history.shape, generator=draws.fresh())
    loss = lambda out: F.softplus(-out[0]).mean() + F.softplus(out[1]).mean()  # noqa: E731
    return Case(SequentialRecommender(), (history + 1, following + 1, negative), loss)


def shared_layers() -> Case:
    """Every seventh token is masked by token 0 and to be guessed."""
    tokens, _ = draws.sentences(32, LENGTH, VOCABULARY)
    masked = torch.rand(tokens.shape, generator=draws.fresh()) < 0.15
    labels = tokens.masked_fill(~masked, -100)
    return draws.classifying(SharedLayers(), tokens.masked_fill(masked, 0), labels)


NETS: tuple[Net, ...] = (
    Net("everyday/fast_text", "fast_text", fast_text),
    Net("everyday/skip_gram", "skip_gram", skip_gram),
    Net("everyday/text_cnn", "text_cnn", lambda: draws.classifying(TextCNN(), *draws.texts(64, LENGTH, 24))),
    Net("everyday/character_cnn", "character_cnn", character_cnn),
    Net("everyday/sasrec", "sasrec", sequential_recommender),
    Net("everyday/albert", "shared_layers", shared_layers),
    Net("everyday/gmlp", "gmlp", lambda: draws.classifying(GatedMLP(), *draws.texts(64, LENGTH, 24))),
)
