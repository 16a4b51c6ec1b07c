"""Hosts for sequences: transformers, a mixer, an LSTM, low-rank adapters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tasks import CLASSES, CONTEXT, FEATURES, VOCABULARY

WIDTH, HEADS, DEPTH = 48, 4, 4


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Return the attention output. All tensors are ``(samples, positions, WIDTH)``."""
    q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


class GPTBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.proj(attend(*self.qkv(self.norm1(x)).chunk(3, -1), True))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class GPT(nn.Module):
    """GPT-2: pre-norm, tied embeddings, residual projections scaled by their number."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(GPTBlock() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        small(self)
        with torch.no_grad():
            for block in self.blocks:
                for end in (block.proj, block.fc2):
                    end.weight.div_((2 * DEPTH) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.tokens(x) + self.places.weight)
        return F.linear(self.norm(x), self.tokens.weight)


class LlamaBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(WIDTH, 3 * WIDTH, bias=False) for _ in range(2))
        self.down = nn.Linear(3 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.o(attend(turned(self.q(y)), turned(self.k(y)), self.v(y), True))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def turned(x: Tensor) -> Tensor:
    """Apply rotary position embeddings (Su et al. 2021) per head."""
    x = x.unflatten(-1, (HEADS, -1))
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[1])[:, None] * 100.0 ** -(torch.arange(half) / half)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).flatten(2)


class Llama(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.Sequential(*(LlamaBlock() for _ in range(DEPTH)))
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
        small(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(x))))


class BertBlock(GPTBlock):
    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.proj(attend(*self.qkv(x).chunk(3, -1), False)))
        return self.norm2(x + self.fc2(F.gelu(self.fc1(x))))


class Bert(nn.Module):
    """A post-norm encoder that classifies by the mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.blocks = nn.Sequential(*(BertBlock() for _ in range(DEPTH)))
        self.head = nn.Linear(WIDTH, 4)
        small(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.norm(self.tokens(x) + self.places.weight)).mean(1))


def small(model: nn.Module) -> None:
    """Draw all weights from N(0, 0.02), as in GPT, BERT and LLaMA."""
    for part in model.modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            nn.init.normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


class MixerBlock(nn.Module):
    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix1, self.mix2 = nn.Linear(patches, 2 * patches), nn.Linear(2 * patches, patches)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix2(F.gelu(self.mix1(self.norm1(x).transpose(1, 2)))).transpose(1, 2)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Mixer(nn.Module):
    """MLP-Mixer on 16 patches of an 8 x 8 image; PyTorch's default initialization."""

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 2, 2)
        self.blocks = nn.Sequential(*(MixerBlock(16, width) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))


class LSTM(nn.Module):
    """Three LSTM layers over the rows of an image; PyTorch's default initialization."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.LSTM(8, width, batch_first=True)
        self.body = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(2))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)[0]
        for layer in self.body:
            x = layer(x)[0]
        return self.head(x[:, -1])


class Adapted(nn.Module):
    """A frozen layer with a low-rank adapter, ``base(x) + B A x``: A random, B zero (Hu et al. 2021)."""

    def __init__(self, inputs: int, outputs: int, rank: int = 8) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.a, self.b = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False)
        nn.init.kaiming_normal_(self.base.weight, nonlinearity="relu")
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.b(self.a(x))


class LowRank(nn.Module):
    """A network in which only the adapters are trained."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = Adapted(FEATURES, width)
        self.body = nn.ModuleList(Adapted(width, width) for _ in range(3))
        self.head = Adapted(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for layer in self.body:
            x = F.relu(layer(x))
        return self.head(x)
