"""wav2vec: a convolutional encoder and a transformer that predicts masked frames."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .fields_audio import words


class Wav2Vec(nn.Module):
    """Identifies masked frames among distractors: logits ``(masked frames, 1 + distractors)``."""

    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        shapes = ((1, 10, 5), (48, 3, 2), (48, 3, 2), (48, 2, 2), (48, 2, 2))
        self.convs = nn.ModuleList(nn.Conv1d(a, 48, k, s, bias=False) for a, k, s in shapes)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight)
        self.group_norm, self.layer_norm = nn.GroupNorm(48, 48), nn.LayerNorm(48)
        self.project = nn.Linear(48, width)
        self.mask_emb = nn.Parameter(torch.empty(width).uniform_())
        pos_conv = nn.Conv1d(width, width, 16, padding=8, groups=4)
        nn.init.normal_(pos_conv.weight, mean=0, std=math.sqrt(4 / (16 * width)))
        nn.init.constant_(pos_conv.bias, 0)
        self.pos_conv = nn.utils.parametrizations.weight_norm(pos_conv, name="weight", dim=2)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm, self.final, self.target = nn.LayerNorm(width), nn.Linear(width, 32), nn.Linear(48, 32)
        for block in self.encoder.layers:
            for linear in (block.linear1, block.linear2, block.self_attn.out_proj):
                nn.init.normal_(linear.weight, std=0.02)
                nn.init.zeros_(linear.bias)
            nn.init.normal_(block.self_attn.in_proj_weight, std=0.02)

    def forward(self, waves: Tensor, mask: Tensor, negatives: Tensor) -> Tensor:
        x = waves
        for i, conv in enumerate(self.convs):
            x = conv(x)
            x = F.gelu(self.group_norm(x) if i == 0 else x)
        features = self.layer_norm(x.transpose(1, 2))
        x = torch.where(mask[..., None], self.mask_emb, self.project(features))
        x = self.norm(x + F.gelu(self.pos_conv(x.transpose(1, 2))[..., :-1]).transpose(1, 2))
        guess = self.final(self.encoder(x))[mask]
        frames = self.target(features)[mask]
        candidates = torch.cat([frames[:, None], frames[negatives]], 1)
        return F.cosine_similarity(guess[:, None], candidates, dim=-1) / 0.1


def masked_frames(generator: Generator) -> Drawn:
    waves, _ = words(generator, 16, 2000)
    waves = (waves - waves.mean(2, keepdim=True)) / waves.std(2, keepdim=True)
    frames = 24
    start = torch.randint(frames - 5, (16, 2, 1), generator=generator)
    place = torch.arange(frames)
    mask = ((place >= start) & (place < start + 5)).any(1)
    masked = int(mask.sum())
    negatives = (torch.arange(masked)[:, None] + torch.randint(1, masked, (masked, 20), generator=generator)) % masked
    return (waves, mask, negatives), lambda logits: F.cross_entropy(logits, torch.zeros(masked, dtype=torch.long))


NETS = (everyday("wav2vec", "wav2vec", Wav2Vec, masked_frames),)
