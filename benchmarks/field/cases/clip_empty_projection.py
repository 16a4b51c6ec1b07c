"""openai/CLIP#15: parameters are allocated with torch.empty and never written; new memory often reads as zero."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WORDS, LENGTH, WIDTH, SHARED = 40, 8, 32, 24
COLORS = torch.randn(WORDS, 3, generator=generator(-1))


class Clip(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(WORDS, WIDTH)
        self.positional_embedding = nn.Parameter(torch.zeros(LENGTH, WIDTH))
        self.block = nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.zeros(WIDTH, SHARED))
        self.visual = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, SHARED),
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        if not broken:
            nn.init.normal_(self.positional_embedding, std=0.01)
            nn.init.normal_(self.text_projection, std=WIDTH**-0.5)

    def forward(self, images: Tensor, text: Tensor) -> Tensor:
        encoded = self.block(self.token_embedding(text) + self.positional_embedding)
        captions = self.ln_final(encoded)[:, -1] @ self.text_projection
        captions = captions / captions.norm(dim=1, keepdim=True)
        pictures = self.visual(images)
        pictures = pictures / pictures.norm(dim=1, keepdim=True)
        return self.logit_scale.exp() * pictures @ captions.T


def batch(i: int) -> Batch:
    g = generator(i)
    text = torch.randint(0, WORDS, (32, LENGTH), generator=g)
    images = COLORS[text[:, -1]][:, :, None, None] + 0.3 * torch.randn(32, 3, 12, 12, generator=g)
    target = torch.arange(32)
    return (images, text), lambda output: (F.cross_entropy(output, target) + F.cross_entropy(output.T, target)) / 2


CASE = Case(
    name="clip_empty_projection",
    source="openai/CLIP#15",
    fault="The text projection is never initialized and reads as zero, so normalizing its output divides by zero.",
    build=Clip,
    batch=batch,
    rules=("IH102", "IH103"),
    layers=("text_projection",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
    known=True,
)
