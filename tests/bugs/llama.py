"""A llama: RMSNorm, no biases, SwiGLU with the output projection ``w2``."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from .bug import VOCABULARY, Scene, next_token, seeded
from .language import WIDTH, attended

LAYERS = 8


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.w1, self.w3 = (nn.Linear(WIDTH, 3 * WIDTH, bias=False) for _ in range(2))
        self.w2 = nn.Linear(3 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.attention_norm(x)
        x = x + self.wo(attended(self.wq(normed), self.wk(normed), self.wv(normed)))
        normed = self.ffn_norm(x)
        return x + self.w2(F.silu(self.w1(normed)) * self.w3(normed))


class Llama(nn.Module):
    def __init__(self, scaled: tuple[str, ...]) -> None:
        super().__init__()
        self.tok_embeddings, self.norm = nn.Embedding(VOCABULARY, WIDTH), nn.RMSNorm(WIDTH)
        self.layers = nn.ModuleList(Block() for _ in range(LAYERS))
        self.output = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                depth = math.sqrt(2 * LAYERS) if name.endswith(scaled) else 1.0
                nn.init.normal_(parameter, std=0.02 / depth)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.output(self.norm(x))


def swiglu_scaled_at_w3(fixed: bool) -> Scene:
    """pytorch/torchtitan#3334: ``w3``, which does not end a branch, was scaled instead of ``w2``, which does.

    The same bug is in karpathy/llama2.c#579 and jingyaogong/minimind#136.
    """
    tokens, targets = seeded()
    model = Llama(("wo.weight", "w2.weight") if fixed else ("wo.weight", "w3.weight"))
    return Scene(model, tokens, next_token(targets))


def swiglu_scaled_twice(fixed: bool) -> Scene:
    """pytorch/torchtitan#3334 as reported there: ``w3`` was scaled by the depth, too, in addition to ``w2``."""
    tokens, targets = seeded()
    extra = () if fixed else ("w3.weight",)
    return Scene(Llama(("wo.weight", "w2.weight", *extra)), tokens, next_token(targets))
