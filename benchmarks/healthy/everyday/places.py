"""Healthy networks that mix tokens: a recommender, shared layers, a gate instead of attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

VOCABULARY, LENGTH, CLASSES = 96, 24, 4


class SequentialRecommender(nn.Module):
    """SASRec: scores the next purchase above other items, given the past ones; Xavier for every matrix."""

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
    """ALBERT: small embeddings, one post-norm layer applied six times, a decoder tied to the embeddings."""

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
    """gMLP's block: positions are mixed by weights near zero and a bias of one, so it starts as a plain MLP."""

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


def sequential_recommender() -> Case:
    history, following = draws.sentences(32, LENGTH, VOCABULARY)
    negative = torch.randint(1, VOCABULARY + 1, history.shape, generator=draws.fresh())
    loss = lambda out: F.softplus(-out[0]).mean() + F.softplus(out[1]).mean()  # noqa: E731
    return Case(SequentialRecommender(), (history + 1, following + 1, negative), loss)


def shared_layers() -> Case:
    """Every seventh token is masked by token 0 and predicted."""
    tokens, _ = draws.sentences(32, LENGTH, VOCABULARY)
    masked = torch.rand(tokens.shape, generator=draws.fresh()) < 0.15
    labels = tokens.masked_fill(~masked, -100)
    return draws.classifying(SharedLayers(), tokens.masked_fill(masked, 0), labels)


NETS: tuple[Net, ...] = (
    Net("everyday/sasrec", "SASRec", sequential_recommender),
    Net("everyday/albert", "albert", shared_layers),
    Net("everyday/text_gmlp", "gMLP", lambda: draws.classifying(GatedMLP(), *draws.texts(64, LENGTH, 24))),
)
