"""Language models with a bug in the loop over their names or modules."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import VOCABULARY, Scene, next_token, seeded

WIDTH, HEADS, LENGTH = 64, 4, 16
STD = 0.02 * (768 / WIDTH) ** 0.5  # 0.02 at GPT-2's width: the same gain in every layer


def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return causal attention of ``(samples, length, width)`` tensors with ``HEADS`` heads."""
    heads = [x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (query, key, value)]
    return F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(2)


class Conv1D(nn.Module):
    """GPT-2's linear layer: its weight is ``(inputs, outputs)``."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(inputs, outputs)), nn.Parameter(torch.zeros(outputs))
        nn.init.normal_(self.weight, std=STD)

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.flatten(0, -2), self.weight).unflatten(0, x.shape[:-1])


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(3 * width, width), Conv1D(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(attended(*self.c_attn(x).chunk(3, -1)))


class Dense(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(4 * width, width), Conv1D(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = (
            nn.LayerNorm(width), Attention(width), nn.LayerNorm(width), Dense(width)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Pre-norm, learned positions, the embedding is also the head."""

    def __init__(self, layers: int, width: int = WIDTH) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, width), nn.Embedding(LENGTH, width)
        self.h = nn.ModuleList(Block(width) for _ in range(layers))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)
        self.lm_head.weight = self.wte.weight
        for embedding in (self.wte, self.wpe):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def gpt2_scaling_by_a_short_name(fixed: bool) -> Scene:
    """huggingface/transformers#47458: the scaled initialization matches a name that no parameter has.

    The loop was moved from each module to the whole model, whose names are longer than ``c_proj.weight``.
    """
    tokens, targets = seeded()
    model = GPT(24)
    for name, parameter in model.named_parameters():
        if name.endswith("c_proj.weight") if fixed else name == "c_proj.weight":
            nn.init.normal_(parameter, std=STD / math.sqrt(2 * 24))
    return Scene(model, tokens, next_token(targets))


def embedding_at_its_default(fixed: bool, tied: bool = True) -> Scene:
    """huggingface/transformers#26441: the embedding kept N(0, 1), and so did the tied head."""
    tokens, targets = seeded()
    model = GPT(4, 256)
    if not tied:
        model.lm_head.weight = nn.Parameter(torch.empty_like(model.wte.weight))
    for embedding in (model.wte, model.lm_head):
        nn.init.normal_(embedding.weight, std=0.02 if fixed else 1.0)
    for name, parameter in model.named_parameters():
        if name.endswith(("c_attn.weight", "c_fc.weight")):
            nn.init.normal_(parameter, std=0.02)
        elif name.endswith("c_proj.weight"):
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * 4))
    return Scene(model, tokens, next_token(targets))


def untied_embedding_at_its_default(fixed: bool) -> Scene:
    return embedding_at_its_default(fixed, tied=False)
