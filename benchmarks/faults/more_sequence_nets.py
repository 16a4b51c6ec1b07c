"""More hosts for sequences: a GRU, a temporal convolutional network, T5, torch's own encoder, a state space model."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .more_tasks_sequences import ANSWER, SIDES, SOURCE, TERMS, TONES, WORDS
from .vector_nets import he


class GRUClassifier(nn.Module):
    """Embedding, two GRU layers, and a hidden layer on the last state; PyTorch's default initialization."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(WORDS, width)
        self.gru = nn.GRU(width, width, num_layers=2, batch_first=True)
        self.fc = nn.Linear(width, width)
        self.head = nn.Linear(width, SIDES)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.gru(self.tokens(x))
        return self.head(F.relu(self.fc(state[-1])))


class TemporalBlock(nn.Module):
    """Two causal convolutions with the same dilation, and the residual connection."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.padding = (2 * dilation, 0)
        self.conv1 = nn.Conv1d(width, width, 3, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, 3, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(F.pad(x, self.padding)))
        return F.relu(x + F.relu(self.conv2(F.pad(y, self.padding))))


class TCN(nn.Module):
    """Bai et al. (2018) without weight normalization; He initialization, as in Keras' TCN."""

    def __init__(self, width: int = 24, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, width, 1)
        self.blocks = nn.Sequential(*(TemporalBlock(width, 2**i) for i in range(depth)))
        self.head = nn.Linear(width, TONES)
        he(self)
        for part in self.modules():
            if isinstance(part, nn.Conv1d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x))[:, :, -1])


class T5Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        nn.init.normal_(self.q.weight, std=(width * width // heads) ** -0.5)  # replaces scaling in the attention
        for layer in (self.k, self.v, self.o):
            nn.init.normal_(layer.weight, std=width**-0.5)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor | float = 0.0) -> Tensor:
        parts = (self.q(x), self.k(memory), self.v(memory))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = (q @ k.transpose(-2, -1) + bias).softmax(-1) @ v
        return self.o(mixed.transpose(1, 2).flatten(2))


class T5Block(nn.Module):
    def __init__(self, width: int, heads: int, decoder: bool) -> None:
        super().__init__()
        self.norm1, self.attention = nn.RMSNorm(width, eps=1e-6), T5Attention(width, heads)
        if decoder:
            self.norm2, self.cross = nn.RMSNorm(width, eps=1e-6), T5Attention(width, heads)
        self.norm3 = nn.RMSNorm(width, eps=1e-6)
        self.wi, self.wo = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        nn.init.normal_(self.wi.weight, std=width**-0.5)
        nn.init.normal_(self.wo.weight, std=(4 * width) ** -0.5)

    def forward(self, x: Tensor, bias: Tensor, memory: Tensor | None = None) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, bias)
        if memory is not None:
            x = x + self.cross(self.norm2(x), memory)
        return x + self.wo(F.relu(self.wi(self.norm3(x))))


class T5Stack(nn.Module):
    """The encoder or the decoder, with one table of relative positions for all layers."""

    def __init__(self, width: int, heads: int, depth: int, decoder: bool) -> None:
        super().__init__()
        self.decoder = decoder
        self.distances = nn.Embedding(2 * max(SOURCE, ANSWER), heads)
        nn.init.normal_(self.distances.weight, std=width**-0.5)
        self.blocks = nn.ModuleList(T5Block(width, heads, decoder) for _ in range(depth))
        self.norm = nn.RMSNorm(width, eps=1e-6)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        places = torch.arange(x.shape[1])
        apart = places[None, :] - places[:, None]
        bias = self.distances(apart + self.distances.num_embeddings // 2).permute(2, 0, 1)
        if self.decoder:
            bias = bias.masked_fill(apart > 0, -math.inf)
        for block in self.blocks:
            x = block(x, bias, memory)
        return self.norm(x)


class T5(nn.Module):
    """Raffel et al. (2020): no biases, unscaled attention, tied embeddings, T5's own initialization."""

    def __init__(self, width: int = 32, heads: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TERMS, width)  # N(0, 1), as in T5
        self.encoder = T5Stack(width, heads, depth, False)
        self.decoder = T5Stack(width, heads, depth, True)

    def forward(self, x: Tensor) -> Tensor:
        source, answer = self.tokens(x).split((SOURCE, ANSWER), 1)
        decoded = self.decoder(answer, self.encoder(source))
        return F.linear(decoded * decoded.shape[-1] ** -0.5, self.tokens.weight)


class TorchEncoder(nn.Module):
    """PyTorch's transformer encoder and initialization. It copies one layer, so the layers are rebuilt here."""

    def __init__(self, width: int = 32, heads: int = 4, depth: int = 4) -> None:
        super().__init__()
        layers = [
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, 0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        ]
        self.stem = nn.Linear(8, width)
        self.places = nn.Parameter(torch.randn(8, width) * 0.02)
        self.encoder = nn.TransformerEncoder(layers[0], depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.encoder.layers = nn.ModuleList(layers)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.stem(x) + self.places).mean(1))
