"""huggingface/transformers#13430: CLIP's logit scale starts at 1 instead of log(1 / 0.07)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

VOCABULARY, WIDTH, LENGTH, SHARED = 40, 64, 6, 32
MEANINGS = torch.randn(VOCABULARY, 3, 4, 4, generator=generator(-1))


class Clip(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.block = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
        self.norm, self.text_projection = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, SHARED, bias=False)
        self.vision = nn.Sequential(
            nn.Conv2d(3, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten()
        )
        self.visual_projection = nn.Linear(64 * 4, SHARED, bias=False)
        self.logit_scale = nn.Parameter(torch.ones([]) * (1.0 if broken else math.log(1 / 0.07)))
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        encoded = self.norm(self.block(self.tokens(texts) + self.positions.weight)).mean(1)
        text = F.normalize(self.text_projection(encoded), dim=1)
        image = F.normalize(self.visual_projection(self.vision(images)), dim=1)
        return self.logit_scale.exp() * image @ text.T


def batch(i: int) -> Batch:
    """Images that show what the words of their captions mean."""
    g = generator(i)
    texts = torch.randint(0, VOCABULARY, (64, LENGTH), generator=g)
    images = MEANINGS[texts].mean(1) * LENGTH**0.5 + 0.3 * torch.randn(64, 3, 4, 4, generator=g)
    pairs = torch.arange(64)
    return (images, texts), lambda output: (F.cross_entropy(output, pairs) + F.cross_entropy(output.T, pairs)) / 2


CASE = Case(
    name="clip_logit_scale",
    source="huggingface/transformers#13430",
    fault="The logarithm of the logit scale starts at 1: cosines are multiplied by 2.7 instead of 14.",
    build=Clip,
    batch=batch,
    rules=("IH208", "IH106"),
    layers=("logit_scale",),
    optimizer="adam",
    rates=(1e-3, 3e-4),
    steps=200,
)
