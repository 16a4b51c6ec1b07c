"""google/objax#94: the gain of LayerNorm starts at zero and its bias at one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WORDS, LENGTH, WIDTH = 30, 10, 32


class Transformer(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(WORDS, WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=0.0, batch_first=True, norm_first=True) for _ in range(3)
        )
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS)
        if broken:
            for module in self.modules():
                if isinstance(module, nn.LayerNorm):
                    nn.init.zeros_(module.weight)
                    nn.init.ones_(module.bias)

    def forward(self, text: Tensor) -> Tensor:
        hidden = self.tokens(text) + self.positions
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden))


def batch(i: int) -> Batch:
    """Each position predicts the token before it; the first predicts the last."""
    text = torch.randint(0, WORDS, (32, LENGTH), generator=generator(i))
    target = text.roll(1, 1).flatten()
    return (text,), lambda output: F.cross_entropy(output.flatten(0, 1), target)


CASE = Case(
    name="layernorm_swapped",
    source="google/objax#94",
    fault="LayerNorm starts with gain 0 and bias 1, so its output is 1 for every input.",
    build=Transformer,
    batch=batch,
    rules=("IH103", "IH104", "IH206"),
    layers=("norm", *(f"blocks.{block}.norm{norm}" for block in range(3) for norm in (1, 2))),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
    known=True,
)
