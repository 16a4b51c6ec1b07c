"""Transformer encoders: randomly initialized norms, cloned layers, a packed projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .bug import VOCABULARY, Scene, next_token, seeded
from .language import HEADS, LENGTH, WIDTH


class Encoder(nn.Module):
    """Embeddings, ``nn.TransformerEncoder`` and a head: post-norm, like BERT."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.words(tokens) + self.positions(torch.arange(tokens.shape[1])))
        return self.head(self.encoder(x))


def norms_drawn_at_random(fixed: bool) -> Scene:
    """huggingface/transformers#143: BERT's loop drew norm weights and biases from N(0, 0.02), like matrices."""
    tokens, targets = seeded()
    model = Encoder(4)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm) and not fixed:
            nn.init.normal_(module.weight, std=0.02)
            nn.init.normal_(module.bias, std=0.02)
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias") and not isinstance(module, nn.LayerNorm):
                nn.init.zeros_(parameter)
    return Scene(model, tokens, next_token(targets))


def cloned_encoder_layers(fixed: bool) -> Scene:
    """pytorch/pytorch#72253: ``nn.TransformerEncoder`` deep-copies one layer, so all layers start bit-identical."""
    tokens, targets = seeded()
    model = Encoder(4)
    if fixed:
        for layer in model.encoder.layers:
            for parameter in layer.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)
    return Scene(model, tokens, next_token(targets))


def packed_projection(fixed: bool) -> Scene:
    """pytorch/pytorch#166378: Xavier for a packed ``(3E, E)`` query, key and value counts the outputs of all three."""
    scene = cloned_encoder_layers(True)
    for module in scene.model.modules():
        if isinstance(module, nn.MultiheadAttention):
            nn.init.xavier_uniform_(module.in_proj_weight, gain=2**0.5 if fixed else 1.0)
    return scene
