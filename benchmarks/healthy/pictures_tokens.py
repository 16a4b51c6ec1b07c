"""Classifiers for image patches: transformers and MLPs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .everyday_net import everyday
from .pictures_draws import classify

PATCHES = 64  # 32 x 32 pixels in patches of 4 x 4


def small(m: nn.Module) -> None:
    if isinstance(m, nn.Linear):
        nn.init.trunc_normal_(m.weight, std=0.02)
        if m.bias is not None:
            nn.init.constant_(m.bias, 0)


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, dim * 3), nn.Linear(dim, dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attn = q @ k.transpose(-2, -1) * self.scale
        attn = (attn if bias is None else attn + bias).softmax(dim=-1)
        return self.proj((attn @ v).transpose(1, 2).flatten(2))


def mlp(dim: int, factor: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(dim, factor * dim), nn.GELU(), nn.Linear(factor * dim, dim))


class VisionTransformer(nn.Module):
    def __init__(self, dim: int = 96, depth: int = 6, heads: int = 3) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, 4, 4)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, PATCHES + 1, dim))
        parts = ((nn.LayerNorm(dim), Attention(dim, heads), nn.LayerNorm(dim), mlp(dim)) for _ in range(depth))
        names = ("norm1", "attn", "norm2", "mlp")
        self.blocks = nn.ModuleList(nn.ModuleDict(dict(zip(names, each, strict=True))) for each in parts)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.apply(small)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + self.pos_embed
        for block in self.blocks:
            x = x + block["attn"](block["norm1"](x))
            x = x + block["mlp"](block["norm2"](x))
        return self.head(self.norm(x)[:, 0])


class SwinBlock(nn.Module):
    """Attention in windows of 4 x 4, shifted in every second block, with a table of position biases."""

    def __init__(self, dim: int, size: int, heads: int, shift: int, window: int = 4) -> None:
        super().__init__()
        self.size, self.shift, self.window = size, shift, window
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim), mlp(dim)
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        apart = places[:, None] - places[None] + window - 1
        self.register_buffer("index", apart[..., 0] * (2 * window - 1) + apart[..., 1])
        strip = torch.bucketize(torch.arange(size), torch.tensor([size - window, size - shift]), right=True)
        region = (3 * strip[:, None] + strip[None]).view(1, size, size, 1)
        inside = self._split(region).squeeze(-1) if shift else torch.zeros((size // window) ** 2, window**2)
        apart_mask = (inside[:, :, None] != inside[:, None]).float() * -100.0
        self.register_buffer("mask", apart_mask[:, None])  # (windows, 1, places, places)

    def _split(self, x: Tensor) -> Tensor:
        n = self.size // self.window
        x = x.unflatten(2, (n, self.window)).unflatten(1, (n, self.window))
        return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def forward(self, x: Tensor) -> Tensor:
        batch, n = len(x), self.size // self.window
        y = self.norm1(x).roll((-self.shift, -self.shift), (1, 2))
        bias = self.table[self.index].permute(2, 0, 1) + self.mask.repeat(batch, 1, 1, 1)
        y = self.attn(self._split(y), bias).view(batch, n, n, self.window, self.window, -1)
        y = y.transpose(2, 3).reshape(x.shape).roll((self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * dim), nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class Swin(nn.Module):
    def __init__(self, dim: int = 48) -> None:
        super().__init__()
        self.patch_embed, self.patch_norm = nn.Conv2d(3, dim, 2, 2), nn.LayerNorm(dim)
        self.stage1 = nn.Sequential(SwinBlock(dim, 16, 3, 0), SwinBlock(dim, 16, 3, 2))
        self.merge = PatchMerging(dim)
        self.stage2 = nn.Sequential(*(SwinBlock(2 * dim, 8, 6, shift) for shift in (0, 2, 0, 2)))
        self.norm, self.head = nn.LayerNorm(2 * dim), nn.Linear(2 * dim, 10)
        self.apply(small)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_norm(self.patch_embed(x).permute(0, 2, 3, 1))
        x = self.stage2(self.merge(self.stage1(x)))
        return self.head(self.norm(x).mean((1, 2)))


class PreNormResidual(nn.Module):
    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn, self.norm = fn, nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x)) + x


class Patches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.unfold(x, 4, stride=4).transpose(1, 2)


class MeanOver(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def mixer(dim: int = 96, depth: int = 6) -> nn.Module:
    layers: list[nn.Module] = [Patches(), nn.Linear(48, dim)]
    for _ in range(depth):
        across = nn.Sequential(nn.Conv1d(PATCHES, 4 * PATCHES, 1), nn.GELU(), nn.Conv1d(4 * PATCHES, PATCHES, 1))
        layers += [PreNormResidual(dim, across), PreNormResidual(dim, mlp(dim, 2))]
    return nn.Sequential(*layers, nn.LayerNorm(dim), MeanOver(), nn.Linear(dim, 10))


class SpatialGating(nn.Module):
    """gMLP: near-zero weights and biases of one, so the gate starts open."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim // 2)
        self.weight, self.bias = nn.Parameter(torch.zeros(PATCHES, PATCHES)), nn.Parameter(torch.ones(PATCHES))
        nn.init.uniform_(self.weight, -1e-3 / PATCHES, 1e-3 / PATCHES)

    def forward(self, x: Tensor) -> Tensor:
        res, gate = x.chunk(2, dim=-1)
        gate = torch.einsum("bnd,mn->bmd", self.norm(gate), self.weight) + self.bias[:, None]
        return gate * res


def gmlp(dim: int = 96, depth: int = 6) -> nn.Module:
    blocks = [
        PreNormResidual(
            dim,
            nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), SpatialGating(4 * dim), nn.Linear(2 * dim, dim)),
        )
        for _ in range(depth)
    ]
    return nn.Sequential(Patches(), nn.Linear(48, dim), *blocks, nn.LayerNorm(dim), MeanOver(), nn.Linear(dim, 10))


NETS = (
    everyday("vit", "vision transformer", VisionTransformer, classify(16, 32)),
    everyday("swin", "window transformer", Swin, classify(16, 32)),
    everyday("mixer", "MLP-Mixer", mixer, classify(16, 32)),
    everyday("gmlp", "gMLP", gmlp, classify(16, 32)),
)
