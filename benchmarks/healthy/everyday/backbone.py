"""A small pretrained text encoder: the base of the adapted networks."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import draws

VOCABULARY, LENGTH = 24, 24
WIDTH = 64


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.output = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (4, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        return self.output(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Backbone(nn.Module):
    """A small encoder, initialized like BERT, with logits for the classes of a text."""

    def __init__(self, blocks: int = 3) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def encode(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encode(self.words(tokens) + self.places[: tokens.shape[1]]))


@lru_cache(maxsize=1)
def checkpoint(steps: int = 100) -> dict[str, Tensor]:
    """Return the weights after some pretraining steps. They do not depend on the seed, like those of a file."""
    generator = draws.fixed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Backbone()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(steps):
        tokens = torch.randint(1, VOCABULARY, (16, LENGTH), generator=generator)
        shares = F.one_hot(tokens, VOCABULARY).float().mean(1)
        optimizer.zero_grad()
        F.cross_entropy(model(tokens).mean(1), shares).backward()
        optimizer.step()
    return model.state_dict()


def pretrained() -> Backbone:
    model = Backbone()
    model.load_state_dict(checkpoint())
    return model.requires_grad_(False)
