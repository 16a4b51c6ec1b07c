"""allenai/OLMo-core#698: `to_empty` erases a scale kept as a buffer, and the initialization does not write it again."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WORDS, LENGTH, WIDTH, HEADS, DEPTH = 24, 12, 32, 4, 4


class Block(nn.Module):
    ln_scale: Tensor

    def __init__(self, depth: int, broken: bool) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.w_qkv, self.w_out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.w1, self.w2 = nn.Linear(WIDTH, 64, bias=False), nn.Linear(64, WIDTH, bias=False)
        for linear in (self.w_qkv, self.w_out, self.w1, self.w2):
            nn.init.trunc_normal_(linear.weight, std=0.1)
        self.register_buffer("ln_scale", torch.tensor(0.0 if broken else (depth + 1) ** -0.5))

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.w_qkv(self.attention_norm(x) * self.ln_scale)
        q, k, v = qkv.unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.w_out(attended.transpose(1, 2).flatten(2))
        return x + self.w2(F.silu(self.w1(self.feed_forward_norm(x) * self.ln_scale)))


class Transformer(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.ModuleList(Block(depth, broken) for depth in range(DEPTH))
        self.norm, self.lm_head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        nn.init.normal_(self.embeddings.weight, std=0.1)
        nn.init.trunc_normal_(self.lm_head.weight, std=0.1)

    def forward(self, text: Tensor) -> Tensor:
        hidden = self.embeddings(text)
        for block in self.blocks:
            hidden = block(hidden)
        return self.lm_head(self.norm(hidden))


def batch(i: int) -> Batch:
    """Each position predicts the token before it."""
    text = torch.randint(0, WORDS, (32, LENGTH), generator=generator(i))
    target = text[:, :-1].flatten()
    return (text,), lambda output: F.cross_entropy(output[:, 1:].flatten(0, 1), target)


CASE = Case(
    name="scale_buffer_zero",
    source="allenai/OLMo-core#698",
    fault="The buffer that scales the normalized input of each branch is zero, so no branch receives an input.",
    build=Transformer,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=tuple(f"blocks.{depth}.ln_scale" for depth in range(DEPTH)),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=150,
    known=True,
)
