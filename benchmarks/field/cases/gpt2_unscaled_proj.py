"""huggingface/transformers#47458: GPT-2's `c_proj` weights never get the smaller std for the network's depth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

TOKENS, LENGTH, WIDTH, HEADS, DEPTH = 12, 16, 32, 4, 8
STD = 0.1  # the gain that 0.02 has at the original's width
NEXT = torch.randint(0, TOKENS, (TOKENS, TOKENS), generator=generator(-1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(2, (HEADS, -1)).transpose(1, 2) for each in self.c_attn(x).chunk(3, 2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(WIDTH), Attention(), nn.LayerNorm(WIDTH), Mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(TOKENS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.h, self.ln_f = nn.Sequential(*(Block() for _ in range(DEPTH))), nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                scaled = name.endswith("c_proj.weight") and not broken
                nn.init.normal_(parameter, std=STD / (2 * DEPTH) ** 0.5 if scaled else STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe.weight
        return self.ln_f(self.h(x)) @ self.wte.weight.T


def batch(i: int) -> Batch:
    """A token mostly follows from the two before it."""
    g = generator(i)
    text = torch.randint(0, TOKENS, (32, LENGTH + 1), generator=g)
    kept = torch.rand(32, LENGTH + 1, generator=g) < 0.8
    for t in range(2, LENGTH + 1):
        text[:, t] = torch.where(kept[:, t], NEXT[text[:, t - 1], text[:, t - 2]], text[:, t])
    return (text[:, :-1],), lambda output: F.cross_entropy(output.flatten(0, 1), text[:, 1:].flatten())


CASE = Case(
    name="gpt2_unscaled_proj",
    source="huggingface/transformers#47458",
    fault="A comparison of names never matches, so the projections into the residual stream keep the full std.",
    build=Gpt2,
    batch=batch,
    rules=("IH108", "IH106"),
    layers=tuple(f"h.{block}.{part}.c_proj" for block in range(DEPTH) for part in ("attn", "mlp")),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=150,
    fresh=True,
)
